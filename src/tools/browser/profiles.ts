/** One folder a session below `<home>/browser`, with what its pages keep: cookies, storage, logins. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';

const FOLDER = 'browser';

/** A session's key has characters that a folder's name must not have. */
export function profileFolder(home: string, session: string): string {
  return join(home, FOLDER, createHash('sha256').update(session).digest('hex').slice(0, 32));
}

/**
 * Makes the folder and marks it as used now; removes those that were not used for the longest time where there are more than
 * `profilesMax`. `inUse`: folders that are kept whatever their age.
 */
export async function openProfile(folder: string, profilesMax: number, inUse: ReadonlySet<string>): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const now = new Date();
  await utimes(folder, now, now);
  const parent = join(folder, '..');
  const names = await readdir(parent);
  if (names.length <= profilesMax) return;
  const folders = await Promise.all(
    names.map(async (name) => {
      const path = join(parent, name);
      return { path, usedMs: (await stat(path)).mtimeMs };
    }),
  );
  const idle = folders
    .filter(({ path }) => path !== folder && !inUse.has(path))
    .toSorted((a, b) => a.usedMs - b.usedMs);
  for (const { path } of idle.slice(0, names.length - profilesMax)) await rm(path, { recursive: true, force: true });
}

/** Chromium may still be writing into it for a moment after its end. */
export async function removeProfile(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
