import { createHash, randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Keeps a PNG image in the agent's folder and returns what a model is told. Of one session's screenshots the newest `max`
 * stay; the names say whose they are, so that no other file is touched. A new name each time, in the folder itself: no link in
 * it can lead elsewhere.
 */
export async function keepScreenshot(
  { session, workspace }: { session: string; workspace: string },
  image: Uint8Array,
  max: number,
): Promise<string> {
  await mkdir(workspace, { recursive: true });
  const own = `screenshot-${createHash('sha256').update(session).digest('hex').slice(0, 8)}-`;
  const name = `${own}${randomUUID().slice(0, 8)}.png`;
  await writeFile(join(workspace, name), image, { flag: 'wx', mode: 0o600 });
  const saved = `Saved as ${name} in the workspace (${Math.ceil(image.length / 1024)} kB). It cannot be shown to you here.`;
  const removed = await removeOldest(workspace, own, name, max);
  if (removed.length === 0) return saved;
  return `${saved} ${max} screenshots of a session are kept, so the oldest went: ${removed.join(', ')}.`;
}

/** Removes what is more than `max`, the newest included. Returns the names. */
async function removeOldest(workspace: string, own: string, newest: string, max: number): Promise<string[]> {
  const isOwn = (name: string) => name.startsWith(own) && /^[0-9a-f]{8}\.png$/.test(name.slice(own.length));
  const names = (await readdir(workspace)).filter((name) => isOwn(name) && name !== newest);
  if (names.length < max) return [];
  const aged = await Promise.all(names.map(async (name) => ({ name, at: await changedAt(join(workspace, name)) })));
  const oldest = aged.toSorted((a, b) => a.at - b.at).slice(0, names.length + 1 - max);
  for (const { name } of oldest) await rm(join(workspace, name), { force: true });
  return oldest.map(({ name }) => name);
}

/** Gone meanwhile: as old as can be. */
async function changedAt(path: string): Promise<number> {
  return (await lstat(path).catch(() => undefined))?.mtimeMs ?? 0;
}
