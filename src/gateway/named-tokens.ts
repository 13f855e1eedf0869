/** Tokens with names and scopes, in `<home>/tokens.json`: only their SHA-256 is kept, so the file lets nobody in. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../config/config-error.ts';
import { readPrivateFile, writePrivateFile } from '../config/private-file.ts';
import { DhaavakError } from '../protocol/errors.ts';
import type { Scope, TokenInfo } from '../protocol/messages.ts';
import { SCOPES, TOKEN_NAME } from '../protocol/vocabulary.ts';
import { type Grant, grantOf } from './scopes.ts';

/** Bytes of randomness in a token. */
const TOKEN_BYTES = 32;
/** Every hello compares with all of them. */
const TOKENS_MAX = 100;
const FILE_BYTES_MAX = 256 * 1024;

const fileSchema = z.strictObject({
  version: z.literal(1),
  tokens: z
    .array(
      z.strictObject({
        name: z.string().regex(TOKEN_NAME),
        scopes: z.array(z.enum(SCOPES)).min(1),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
        createdAt: z.number(),
        rotatedAt: z.number().nullable(),
      }),
    )
    .max(TOKENS_MAX),
});

interface Stored extends TokenInfo {
  grant: Grant;
  hash: Buffer;
}

export class NamedTokens {
  readonly #file: string;
  #tokens: ReadonlyMap<string, Stored>;
  /** The change that is being written: the next one waits for it. */
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(file: string, tokens: readonly Stored[]) {
    this.#file = file;
    this.#tokens = new Map(tokens.map((token) => [token.name, token]));
  }

  /** @throws ConfigError when the file is damaged, unreadable or open to other users: nobody is let in by guesswork */
  static async open(home: string): Promise<NamedTokens> {
    const file = join(home, 'tokens.json');
    const text = await readPrivateFile(file, FILE_BYTES_MAX);
    if (text === undefined) return new NamedTokens(file, []);
    try {
      const { tokens } = fileSchema.parse(JSON.parse(text));
      return new NamedTokens(
        file,
        tokens.map(({ sha256, ...info }) => stored(info, Buffer.from(sha256, 'hex'))),
      );
    } catch {
      throw new ConfigError([`${file} is damaged: mend it, or delete it, which revokes every named token`]);
    }
  }

  /** The grant of the token with this SHA-256. Takes as long for every hash. */
  find(hash: Buffer): Grant | undefined {
    let found: Grant | undefined;
    for (const token of this.#tokens.values()) if (timingSafeEqual(token.hash, hash)) found = token.grant;
    return found;
  }

  list(): TokenInfo[] {
    return [...this.#tokens.values()].map(({ grant: _, hash: __, ...info }) => info);
  }

  /** Makes a token and returns it: it can't be had again. Throws `conflict` when the name is taken. */
  create(name: string, scopes: readonly Scope[]): Promise<string> {
    return this.#change((tokens) => {
      if (tokens.has(name)) throw new DhaavakError('conflict', `a token ${name} exists`, { param: 'data.name' });
      if (tokens.size >= TOKENS_MAX) throw new DhaavakError('conflict', `there are ${TOKENS_MAX} tokens already`);
      const token = newToken();
      const info = { name, scopes: [...new Set(scopes)], createdAt: Date.now(), rotatedAt: null };
      tokens.set(name, stored(info, sha256(token)));
      return token;
    });
  }

  /** Throws `not_found`. */
  revoke(name: string): Promise<void> {
    return this.#change((tokens) => {
      if (!tokens.delete(name)) throw notFound(name);
    });
  }

  /** Makes a new token in place of the old one, with the same name and scopes. Throws `not_found`. */
  rotate(name: string): Promise<string> {
    return this.#change((tokens) => {
      const old = tokens.get(name);
      if (old === undefined) throw notFound(name);
      const token = newToken();
      const { scopes, createdAt } = old;
      tokens.set(name, stored({ name, scopes, createdAt, rotatedAt: Date.now() }, sha256(token)));
      return token;
    });
  }

  /** One change after the other; it counts once it is on the disk, and not at all when it can't be written. */
  #change<T>(change: (tokens: Map<string, Stored>) => T): Promise<T> {
    const changed = this.#writing.then(async () => {
      const tokens = new Map(this.#tokens);
      const result = change(tokens);
      const rows = [...tokens.values()].map(({ grant: _, hash, ...info }) => ({
        ...info,
        sha256: hash.toString('hex'),
      }));
      try {
        await writePrivateFile(this.#file, `${JSON.stringify({ version: 1, tokens: rows }, null, 2)}\n`);
      } catch (cause) {
        throw new DhaavakError('storage_failed', 'the tokens could not be written; nothing was changed', { cause });
      }
      this.#tokens = tokens;
      return result;
    });
    this.#writing = changed.catch(() => {});
    return changed;
  }
}

export function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

function stored(info: TokenInfo, hash: Buffer): Stored {
  return { ...info, hash, grant: grantOf(info.name, info.scopes) };
}

function notFound(name: string): DhaavakError {
  return new DhaavakError('not_found', `there is no token ${name}`, { param: 'data.name' });
}
