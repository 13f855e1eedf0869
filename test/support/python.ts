import { execFile, execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

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

/** A Python program that goes on while the test does, and is talked to line by line. It ends with the test. */
export function startPython(
  file: string,
  args: readonly string[],
): { say(line: string): void; hears(): Promise<string> } {
  const child = spawn(PYTHON, [file, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    say: (line) => void child.stdin.write(`${line}\n`),
    hears: async () => {
      const { done, value } = await lines.next();
      if (done) throw new Error(`${file} ended without another line`);
      return value;
    },
  };
}

function succeeds(program: string): boolean {
  try {
    execFileSync(PYTHON, ['-c', program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
