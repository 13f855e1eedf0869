/** Files of the data folder that hold secrets or what is made of them: mode 0600, never seen half written. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConfigError } from './config-error.ts';

/** Permission bits of the group and of others. */
const NOT_OWNER = 0o077;

/**
 * The text of `path`, or undefined when there is no such file.
 *
 * @throws ConfigError when it cannot be read, is open to other users, or has more than `bytesMax` bytes
 */
export async function readPrivateFile(path: string, bytesMax: number): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r');
    const stats = await file.stat();
    // Windows has no such bits: there the folder's access list protects the file.
    if (process.platform !== 'win32' && stats.mode & NOT_OWNER) {
      throw new ConfigError([`the file ${path} is open to other users: run chmod 600 '${path}'`]);
    }
    if (!stats.isFile() || stats.size > bytesMax) throw new ConfigError([`${path} is too large, or not a file`]);
    return await file.readFile('utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new ConfigError([`the file ${path} cannot be read (${code})`]);
  }
}

/** Replaces `path` with `text`: after a crash the file is the old one or the new one. Rejects with what the system says. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await using file = await open(draft, 'wx', 0o600);
    await file.writeFile(text);
    await file.sync();
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}
