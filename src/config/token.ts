/** The token that lets clients in, kept in the data folder: `<home>/token`, readable by its owner only. */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from './config-error.ts';

/** Bytes of randomness in a generated token. */
const TOKEN_BYTES = 32;
/** Characters of a token, the same limits as `gateway.token` in the schema. */
const TOKEN_LENGTH_MIN = 16;
const TOKEN_LENGTH_MAX = 1024;
/** Permission bits of the group and of others. */
const NOT_OWNER = 0o077;

export interface StoredToken {
  token: string;
  file: string;
}

/**
 * The token in `home`. When there is none, a new one is made first; of several processes that try at once, one wins and
 * all return its token.
 *
 * @throws ConfigError when the file cannot be read or written, is empty, or is readable by others
 */
export async function ensureToken(home: string): Promise<StoredToken> {
  const file = join(home, 'token');
  const token = (await readToken(home)) ?? (await createToken(home, file));
  return { token, file };
}

/**
 * The token in `home`, or undefined when there is none.
 *
 * @throws ConfigError as {@link ensureToken}
 */
export async function readToken(home: string): Promise<string | undefined> {
  const path = join(home, 'token');
  try {
    await using file = await open(path, 'r');
    const stats = await file.stat();
    // Windows has no such bits: there the folder's access list protects the file.
    if (process.platform !== 'win32' && stats.mode & NOT_OWNER) {
      throw new ConfigError([`the token file ${path} is open to other users: run chmod 600 '${path}'`]);
    }
    if (!stats.isFile() || stats.size > TOKEN_LENGTH_MAX) throw new ConfigError([`${path} is not a token file`]);
    const token = (await file.readFile('utf8')).trim();
    if (!/^[\x21-\x7e]+$/.test(token) || token.length < TOKEN_LENGTH_MIN) {
      throw new ConfigError([
        `the token file ${path} does not hold one token of at least ${TOKEN_LENGTH_MIN} printable characters: ` +
          'delete it to have a new one made at the next start',
      ]);
    }
    return token;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new ConfigError([`the token file ${path} cannot be read (${code})`]);
  }
}

/** Written under another name and then linked: nobody sees half a token, and an existing one is never replaced. */
async function createToken(home: string, path: string): Promise<string> {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(home, { recursive: true, mode: 0o700 });
    await using file = await open(draft, 'wx', 0o600);
    await file.writeFile(`${token}\n`);
    await file.sync();
    await link(draft, path);
    return token;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const existing = code === 'EEXIST' ? await readToken(home) : undefined;
    if (existing !== undefined) return existing;
    throw new ConfigError([`the token file ${path} cannot be written (${code})`]);
  } finally {
    await rm(draft, { force: true });
  }
}
