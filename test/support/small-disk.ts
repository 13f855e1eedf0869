import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { tempFolder } from './temp-folder.ts';

const run = promisify(execFile);

/** A folder that is a disk of its own, of so many bytes, until the test has ended. Undefined where nobody lets us mount. */
export async function smallDisk(bytes: number): Promise<string | undefined> {
  const folder = await tempFolder();
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'tmpfs', folder]);
  } catch {
    return undefined;
  }
  // Lazily: whatever still has a file open must not keep the folder.
  onTestFinished(async () => {
    await run('umount', ['--lazy', folder]);
  });
  return folder;
}
