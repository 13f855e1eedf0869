import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DhaavakError } from '../protocol/errors.ts';

/**
 * Takes the data folder for this process, so that two gateways never write to one journal. The lock is SQLite's on an
 * otherwise empty file: Node has no file locks of its own, and this one the kernel drops with the process, however that
 * ends, and honours between containers that share the folder. Returns the function that gives it back. Throws
 * `in_use`.
 */
export function lockFolder(folder: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const owner = join(folder, 'gateway.pid');
  const lock = new DatabaseSync(join(folder, 'gateway.lock'));
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    const by = readOwner(owner);
    const message = `another gateway${by} uses ${folder}: stop it, or choose another with --home`;
    throw new DhaavakError('in_use', message, { cause: error });
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
