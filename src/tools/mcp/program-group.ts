/** A program with all the programs it starts: ended together, whatever the first one does. */

/**
 * Sends the signal to every process of the group. On Windows there are no groups, and only the first is ended. That none is
 * left is no error.
 */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, signal);
  } catch {
    // They have ended.
  }
}

/** What any program needs. Nothing of it is a secret; all else a server is told stands in the configuration. */
const INHERITED = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'SYSTEMROOT', 'TEMP'];

export function plainEnvironment(from: NodeJS.ProcessEnv = process.env): Record<string, string> {
  return Object.fromEntries(
    INHERITED.flatMap((name) => {
      const value = from[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
