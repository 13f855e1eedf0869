/** Who is let in: what a client says in `hello` or in an Authorization header, against what this gateway knows. */
import { timingSafeEqual } from 'node:crypto';
import { matchesPassword, type PasswordHash } from '../config/password.ts';
import type { Config } from '../config/schema.ts';
import { DhaavakError } from '../protocol/errors.ts';
import type { RequestData } from '../protocol/messages.ts';
import { FailedAttempts } from './attempts.ts';
import { type NamedTokens, sha256 } from './named-tokens.ts';
import { type Grant, grantOf } from './scopes.ts';

/** Passwords that are checked at the same time: each takes 16 MB and a thread of libuv's pool, which has 4. */
const CHECKS_MAX = 2;
/** Passwords that may wait for that, 0.2 s each: one more is refused. */
const CHECKS_WAITING_MAX = 16;

type Auth = RequestData<'hello'>['auth'];

export interface AccessOptions {
  mode: Config['gateway']['auth']['mode'];
  /** The admin's. Tokens are taken in the mode `password` too: the command line on this machine uses them. */
  token: string | undefined;
  /** Undefined unless the mode is `password`. */
  password?: PasswordHash | undefined;
  named: NamedTokens;
  attempts?: FailedAttempts;
}

export class Access {
  readonly named: NamedTokens;
  readonly attempts: FailedAttempts;
  readonly #open: boolean;
  readonly #token: Buffer | undefined;
  readonly #password: PasswordHash | undefined;
  readonly #waiting: (() => void)[] = [];
  #checks = 0;

  /** Throws when the mode's secret is missing: nothing is open by accident. */
  constructor({ mode, token, password, named, attempts = new FailedAttempts() }: AccessOptions) {
    if (mode === 'token' && !token) throw new Error('an empty token would let everybody in');
    if (mode === 'password' && password === undefined) throw new Error('the mode password needs one');
    this.#open = mode === 'none';
    this.#token = token ? sha256(token) : undefined;
    this.#password = password;
    this.named = named;
    this.attempts = attempts;
  }

  /**
   * What the credential is good for, undefined when it is wrong; a promise only for a password. Throws `invalid_request`
   * when there is not exactly one credential, `rate_limited` when too many passwords wait to be checked.
   */
  check({ token, password }: Auth): Grant | undefined | Promise<Grant | undefined> {
    if (this.#open) return ANYBODY;
    if ((token === undefined) === (password === undefined)) {
      throw new DhaavakError('invalid_request', 'auth must hold one credential, a token or a password', {
        param: 'data.auth.token',
      });
    }
    if (token !== undefined) return this.#byToken(token);
    return this.#password === undefined ? undefined : this.#byPassword(this.#password, password as string);
  }

  /** The same for the value of an Authorization header, which holds `Bearer <token>`; empty: there was none. */
  checkHeader(header: string): Grant | undefined {
    if (this.#open) return ANYBODY;
    const [, token] = /^Bearer ([\x21-\x7e]{1,1024})$/i.exec(header) ?? [];
    return token === undefined ? undefined : this.#byToken(token);
  }

  /** Both are always looked at, and hashes are compared, so that the time it takes tells nothing. */
  #byToken(token: string): Grant | undefined {
    const hash = sha256(token);
    const named = this.named.find(hash);
    return this.#token !== undefined && timingSafeEqual(hash, this.#token) ? ADMIN : named;
  }

  async #byPassword(expected: PasswordHash, password: string): Promise<Grant | undefined> {
    if (this.#checks >= CHECKS_MAX) {
      if (this.#waiting.length >= CHECKS_WAITING_MAX) {
        throw new DhaavakError('rate_limited', 'too many passwords wait to be checked', { retryAfterMs: 5_000 });
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve)); // whoever ends hands over the place
    } else this.#checks += 1;
    try {
      return (await matchesPassword(expected, password)) ? OWNER : undefined;
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#checks -= 1;
      else next();
    }
  }
}

const ADMIN = grantOf('admin', ['admin']);
const OWNER = grantOf('password', ['admin']);
const ANYBODY = grantOf('none', ['admin']);

/** Names that no token may have, since they stand for other credentials. */
export const RESERVED_NAMES: readonly string[] = [ADMIN.name, OWNER.name, ANYBODY.name];
