/**
 * The password of a gateway whose `gateway.auth.mode` is `password`: only its scrypt hash is kept, in `<home>/password`,
 * as `scrypt$<N>$<r>$<p>$<salt>$<hash>` with salt and hash in base64url.
 */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ConfigError } from './config-error.ts';
import { readPrivateFile, writePrivateFile } from './private-file.ts';

/** About 0.2 s of a core and 16 MB for each try (OWASP's recommendation for 16 MB: N 2^14, r 8, p 5). */
const COST = { N: 16_384, r: 8, p: 5 } as const;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** Characters of a password. */
export const PASSWORD_LENGTH_MIN = 8;
export const PASSWORD_LENGTH_MAX = 1024;
const FORM = /^scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([\w-]{16,128})\$([\w-]{43})$/;

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

/** What is kept of a password. The work is done in libuv's pool, not on this thread. */
export interface PasswordHash {
  readonly cost: { readonly N: number; readonly r: number; readonly p: number };
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** Whether `password` is the one `stored` was made of; compared in constant time. */
export async function matchesPassword({ cost, salt, hash }: PasswordHash, password: string): Promise<boolean> {
  return timingSafeEqual(await derive(password, salt, HASH_BYTES, cost), hash);
}

/** @throws ConfigError when the file cannot be read, is readable by others, or holds something else */
export async function readPasswordHash(home: string): Promise<PasswordHash | undefined> {
  const path = join(home, 'password');
  const text = await readPrivateFile(path, 1024);
  if (text === undefined) return undefined;
  const [, N, r, p, salt = '', hash = ''] = FORM.exec(text.trim()) ?? [];
  const cost = { N: Number(N), r: Number(r), p: Number(p) };
  // 128 · N · r bytes are needed: more than node allows would fail at every hello instead of at the start.
  if (hash === '' || cost.r * cost.N > COST.r * COST.N || cost.N < 1_024 || cost.p < 1 || cost.r < 1) {
    throw new ConfigError([`${path} does not hold a password hash: make one with \`dhaavak tokens password\``]);
  }
  return { cost, salt: Buffer.from(salt, 'base64url'), hash: Buffer.from(hash, 'base64url') };
}

/**
 * Keeps the hash of `password` in `home` and returns the file. A running gateway goes on with the old one until restarted.
 *
 * @throws ConfigError when the password is too short or too long, or the file cannot be written
 */
export async function writePassword(home: string, password: string): Promise<string> {
  if (password.length < PASSWORD_LENGTH_MIN || password.length > PASSWORD_LENGTH_MAX) {
    throw new ConfigError([`a password has ${PASSWORD_LENGTH_MIN} to ${PASSWORD_LENGTH_MAX} characters`]);
  }
  const path = join(home, 'password');
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(password, salt, HASH_BYTES, COST);
  const { N, r, p } = COST;
  try {
    await writePrivateFile(path, `scrypt$${N}$${r}$${p}$${salt.toString('base64url')}$${hash.toString('base64url')}\n`);
  } catch (error) {
    throw new ConfigError([`the file ${path} cannot be written (${(error as NodeJS.ErrnoException).code})`]);
  }
  return path;
}
