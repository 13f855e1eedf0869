import type { Config } from '../../src/config/schema.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { Session } from '../../src/protocol/messages.ts';
import type { Batch, Write } from '../../src/storage/journal.ts';
import { sessionOfKey } from '../../src/storage/session-record.ts';
import type { Store } from '../../src/storage/store.ts';
import type { NewSession, SessionAnswers, SessionChanges } from './control.ts';
import { parseSessionKey } from './session-key.ts';

/** What is known of one session, in memory and on the disk. */
export class SessionRecord {
  /** Undefined: nobody created it. The same object for as long as there is one: a run adds its tokens to it. */
  session: Session | undefined;
  /** Whether it is on the disk (or on its way). */
  kept: boolean;
  readonly #key: string;
  readonly #store: Store;
  readonly #config: Config;

  constructor(key: string, store: Store, config: Config, now: number) {
    this.#key = key;
    this.#store = store;
    this.#config = config;
    const kept = keptSession(store, key);
    this.kept = kept !== undefined;
    this.session = kept ?? implicitSession(key, store, config, now);
  }

  /** Throws `not_found`. */
  existing(): Session {
    if (this.session === undefined) throw noSuchSession(this.#key);
    return this.session;
  }

  /**
   * The session, made in memory where there is none: it is to be written with what comes of that. Throws `not_found` for an
   * agent that is not configured.
   */
  open(now: number, spawned = false): Session {
    this.session ??= newSession(this.#key, this.#config, now, spawned);
    return this.existing();
  }

  /** Throws `not_found` for an agent that is not configured, `storage_failed`. */
  async create(fields: NewSession, now: number, also?: Write): Promise<SessionAnswers['create']> {
    if (this.session !== undefined && this.kept) return { session: this.session, created: false };
    const session = Object.assign(this.open(now, fields.spawned !== undefined), fields);
    await this.write(also);
    return { session, created: true };
  }

  /** Changes what is not undefined. Throws `storage_failed`, and then nothing has changed. */
  async update(changes: SessionChanges): Promise<Session> {
    const session = this.existing();
    const { model, thinkingLevel, title, followUp } = session;
    for (const [field, value] of Object.entries(changes)) {
      if (value !== undefined) Object.assign(session, { [field]: value });
    }
    try {
      await this.write();
    } catch (error) {
      Object.assign(session, { model, thinkingLevel, title, followUp });
      throw error;
    }
    return session;
  }

  /** Resolves when the session, and what `also` puts, is on the disk. Throws `storage_failed`. */
  async write(also?: Write): Promise<void> {
    const { journal, sessions } = this.#store;
    const session = this.existing();
    await journal.commit((batch) => {
      batch.put(sessions, this.#key, session);
      also?.(batch);
    });
    this.kept = true;
  }

  /** Puts a session that is not on the disk yet into a commit of something else. */
  put(batch: Batch): void {
    if (!this.kept) batch.put(this.#store.sessions, this.#key, this.existing());
  }

  /** What is on the disk decides what there is. */
  readAgain(): void {
    this.session = keptSession(this.#store, this.#key);
    this.kept = this.session !== undefined;
  }
}

/** The session as it is on the disk, or undefined. A record of an earlier version gets the fields it lacks. */
export function keptSession(store: Store, key: string): Session | undefined {
  const kept = store.sessions.get(key);
  if (kept === undefined) return undefined;
  return { ...kept, title: kept.title ?? null, followUp: kept.followUp ?? null, costUsed: kept.costUsed ?? 0 };
}

/**
 * The session a key stands for, as new; undefined for a key that is none, or whose agent is not configured. What a
 * sub-agent may do does not stand in its key: without more (`spawned`) there is none.
 */
function newSession(key: string, config: Config, now: number, spawned = false): Session | undefined {
  const parts = parseSessionKey(key);
  if (parts === undefined || (parts.type === 'sub' && !spawned) || !Object.hasOwn(config.agents, parts.agent))
    return undefined;
  return sessionOfKey(key, now);
}

/**
 * The main session of a configured agent is always there; it is written with its first message. So is one whose record is
 * damaged: its key says what matters.
 */
function implicitSession(key: string, store: Store, config: Config, now: number): Session | undefined {
  const isThere = parseSessionKey(key)?.type === 'main' || store.sessions.doesExist(key);
  return isThere ? newSession(key, config, now) : undefined;
}

export function noSuchSession(key: string): DhaavakError {
  return new DhaavakError('not_found', `there is no session ${key}`, { param: 'data.session' });
}
