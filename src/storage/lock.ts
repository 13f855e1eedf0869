import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The data folder is in use; the message says by whom. */
export class LockedError extends Error {
  override readonly name = 'LockedError';
}

/**
 * Takes the data folder for this process, so that two gateways never write to one journal. The lock is SQLite's on an
 * otherwise empty file: Node has no file locks of its own, and this one the kernel drops with the process, however that
 * ends, and honours between containers that share the folder. Returns the function that gives it back. Throws
 * {@link LockedError}.
 */
export function lockFolder(folder: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const owner = join(folder, 'gateway.pid');
  const lock = new DatabaseSync(join(folder, 'gateway.lock'));
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    throw new LockedError(`another gateway${readOwner(owner)} uses ${folder}: stop it, or choose another with --home`, {
      cause: error,
    });
  }
  writeFileSync(owner, `${process.pid}\n`);
  return () => lock.close();
}

function readOwner(file: string): string {
  try {
    return ` (process ${Number.parseInt(readFileSync(file, 'utf8'), 10)})`;
  } catch {
    return '';
  }
}
