import { chmod, cp, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { DhaavakError } from '../protocol/errors.ts';
import { STORE_FILE } from './page-file.ts';
import { openEnvironment } from './store.ts';
import { survey } from './survey.ts';

/** What of a home besides the store goes with it, where it is there. */
const COMPANIONS = ['dhaavak.yaml', 'token', 'tokens.json', 'password', 'agents'] as const;

export interface Backup {
  folder: string;
  /** Of the store. */
  bytes: number;
  tookMs: number;
  /** Nothing that was deleted is in it. False: pages that are free were copied as they are. */
  compacted: boolean;
}

/**
 * Copies the home of a gateway, which may be running, into `folder`: one state of the store, with all that was committed
 * before, and the files that make a gateway of it. It can be started as a home as it is. The copy is read once to see
 * that it is whole, and named as a store only then. A folder that is there must be empty; what was written is removed when
 * it fails.
 *
 * Only what is in use is copied, so that nothing comes along that was deleted. LMDB cannot do that with a file of which it has
 * lost pages (it says so at the end): such a one is copied as it is.
 *
 * lmdb copies in a thread of its own, without holding up those who write. While it does, pages that are given up cannot
 * be used again, and the store of a busy gateway grows.
 *
 * Throws `conflict` for a folder that is not empty, `storage_failed` with the reason.
 */
export async function backUp(home: string, folder: string): Promise<Backup> {
  const startedAt = performance.now();
  await makeFolder(folder);
  try {
    for (const name of COMPANIONS) await copyIfThere(join(home, name), join(folder, name));
    const copy = join(folder, `${STORE_FILE}.part`);
    const root = openEnvironment(home);
    let compacted: boolean;
    try {
      compacted = await copyStore(root, copy);
    } finally {
      await root.close();
    }
    await chmod(copy, 0o600);
    await flush(copy);
    const { bytes, damage } = survey(copy);
    if (damage.length > 0) throw new Error(`the store is damaged (${damage[0]}): see dhaavak doctor`);
    await rename(copy, join(folder, STORE_FILE));
    await flush(folder);
    return { folder, bytes, tookMs: Math.round(performance.now() - startedAt), compacted };
  } catch (error) {
    await empty(folder);
    throw failed(folder, error);
  }
}

/** Says whether free pages were left out. */
async function copyStore(root: RootDatabase, copy: string): Promise<boolean> {
  try {
    await root.backup(copy, true);
    return true;
  } catch {
    await rm(copy, { force: true });
    await root.backup(copy, false); // a full disk says so again
    return false;
  }
}

async function makeFolder(folder: string): Promise<void> {
  let names: string[];
  try {
    await makePath(folder);
    names = await readdir(folder);
  } catch (error) {
    throw failed(folder, error);
  }
  if (names.length > 0) {
    throw new DhaavakError('conflict', `${folder} is not empty: name a folder that is, or a new one`, {
      param: 'data.folder',
    });
  }
}

/** Not with `recursive`: where a system says ENOENT though the parent is there, as /proc does, Node tries for ever. */
async function makePath(folder: string): Promise<void> {
  const parent = dirname(folder);
  if (!(await isThere(parent))) await makePath(parent);
  if (!(await isThere(folder))) await mkdir(folder, { mode: 0o700 });
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function copyIfThere(from: string, to: string): Promise<void> {
  if (await isThere(from)) await cp(from, to, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
}

async function flush(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}

async function empty(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) await rm(join(folder, name), { recursive: true, force: true }).catch(() => {});
}

function failed(folder: string, cause: unknown): DhaavakError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DhaavakError('storage_failed', `no backup was made in ${folder}: ${reason}`, { cause });
}
