/** A file written whole or not at all: a new one beside it takes its place. */
import type { Stats } from 'node:fs';
import { ulid } from 'ulid';
import { codeOf, isSame, kindOf } from './descriptor.ts';
import type { Folder } from './folder.ts';

/** How unfinished files are called; a gateway that is killed may leave one. */
export const UNFINISHED = '.dhaavak-unfinished-';
const NEW_FILE_MODE = 0o666; // less the umask, as usual

/** Thrown where the file is no longer what it was when its content was decided. */
export class ChangedMeanwhile extends Error {
  override name = 'ChangedMeanwhile';
}

/**
 * Makes `bytes` the content of the file `name`, on the disk before this resolves. `expected`: what the file was when its
 * new content was decided; undefined: it does not matter. Throws {@link ChangedMeanwhile} where it is something else by
 * now, and an Error for what is there and is no file. Returns whether there was one.
 */
export async function replaceFile(folder: Folder, name: string, bytes: Uint8Array, expected?: Stats): Promise<boolean> {
  const before = await folder.look(name);
  if (before !== undefined && !before.isFile()) {
    throw new Error(`${folder.shown(name)} is not a file but ${kindOf(before)}: it is not written`);
  }
  const unfinished = `${UNFINISHED}${ulid()}`;
  const mode = before === undefined ? NEW_FILE_MODE : before.mode & 0o777;
  try {
    const file = await folder.create(unfinished, mode);
    try {
      await file.writeFile(bytes);
      if (before !== undefined) await file.chmod(mode);
      await file.datasync();
    } finally {
      await file.close();
    }
    if (expected !== undefined) await checkUnchanged(folder, name, expected);
    await folder.replace(unfinished, name);
  } catch (error) {
    await folder.remove(unfinished).catch(() => undefined);
    throw explained(error, folder.shown(name));
  }
  return before !== undefined;
}

async function checkUnchanged(folder: Folder, name: string, expected: Stats): Promise<void> {
  const now = await folder.look(name);
  const same =
    now !== undefined && isSame(now, expected) && now.mtimeMs === expected.mtimeMs && now.size === expected.size;
  if (!same) throw new ChangedMeanwhile(`${folder.shown(name)} was changed by somebody else meanwhile`);
}

function explained(error: unknown, path: string): unknown {
  const code = codeOf(error);
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new Error(`the gateway may not write ${path}: the permissions of its folder forbid it`);
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') return new Error(`${path} was not written: the disk is full`);
  return error;
}
