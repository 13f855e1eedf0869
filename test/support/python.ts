import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

/** Debian's, since that is what its packages install for. */
const PYTHON = '/usr/bin/python3';
const MODULES = { websockets: 'python3-websockets', msgpack: 'python3-msgpack' };

/** The Debian package that Python clients lack on this machine; undefined when none. */
export function missingPython(): string | undefined {
  if (!succeeds('')) return 'python3';
  return Object.entries(MODULES).find(([module]) => !succeeds(`import ${module}`))?.[1];
}

/** Runs a Python program and returns what it printed. Throws with what it said when it fails. */
export async function runPython(file: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(PYTHON, [file, ...args], { timeout: 15_000 });
  return stdout;
}

function succeeds(program: string): boolean {
  try {
    execFileSync(PYTHON, ['-c', program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
