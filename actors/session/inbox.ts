import type { Session } from '../../src/protocol/messages.ts';
import { failpoint } from '../../src/runtime/failpoint.ts';
import type { KeyOwner } from '../../src/storage/idempotency.ts';
import type { Batch } from '../../src/storage/journal.ts';
import type { InboxRecord, Store } from '../../src/storage/store.ts';
import type { Transcript } from './transcript.ts';
import { type Turn, userEntry } from './turn.ts';

/** Idempotency keys whose messages are on their way to the disk, where they can't be read yet; of all sessions. */
export type ArrivingKeys = Map<string, KeyOwner & { kept: Promise<void> }>;

/** What came of a message that is no turn: its answer, and what is written with its key. */
export interface Claimed {
  answer: string;
  write(batch: Batch): void;
  /** To be called when that is on the disk. */
  announce(): void;
}

/** The messages one session has accepted and not finished, on the disk; each idempotency key makes one of them. */
export class Inbox {
  readonly #store: Store;
  readonly #session: string;
  readonly #transcript: Transcript;
  readonly #arriving: ArrivingKeys;

  constructor(store: Store, session: string, transcript: Transcript, arriving: ArrivingKeys) {
    this.#store = store;
    this.#session = session;
    this.#transcript = transcript;
    this.#arriving = arriving;
  }

  /**
   * The message that `key` was used for, if it was; it is safe when `kept` resolves. Not async, on purpose: whoever finds
   * the key free must call {@link write} or {@link claim} before anything else runs, or two messages would find it free.
   */
  original(key: string, now: number): (KeyOwner & { kept?: Promise<void> }) | undefined {
    return this.#arriving.get(arrivingKey(this.#session, key)) ?? this.#store.keys.owner(this.#session, key, now);
  }

  /** Does `work` for a message that is no turn, and remembers its key and answer: they are on the disk when it resolves. */
  async claim(key: string, message: string, now: number, work: () => Promise<Claimed>): Promise<Claimed> {
    const done = work().then(async (claimed) => {
      const owner = { message, seq: 0, answer: claimed.answer };
      await this.#store.journal.commit((batch) => {
        this.#putKey(batch, key, owner, now);
        claimed.write(batch);
      });
      return claimed;
    });
    const kept = done.then(() => {});
    this.#keepKey(key, { message, seq: 0 }, kept);
    await kept;
    return done;
  }

  /** Writes the turn's message, and with the first message of a session `unkept`, the session itself. */
  async write(turn: Turn, unkept: Session | undefined): Promise<void> {
    const { journal, sessions } = this.#store;
    const { acceptedAt, idempotencyKey, images, message, otherKeys = [], seq } = turn;
    const owner = { message, seq };
    failpoint('journal.before');
    const kept = journal.commit((batch) => {
      this.#transcript.write(batch, userEntry(turn));
      if (images !== undefined) this.#transcript.writeImages(batch, seq, images);
      this.put(batch, turn, {});
      if (idempotencyKey !== undefined) this.#putKey(batch, idempotencyKey, owner, acceptedAt);
      for (const key of otherKeys) this.#putKey(batch, key, owner, acceptedAt);
      if (turn.resubmits !== undefined) batch.remove(this.#store.deadLetters, turn.resubmits);
      turn.also?.(batch);
      if (unkept !== undefined) batch.put(sessions, this.#session, unkept);
    });
    if (idempotencyKey !== undefined) this.#keepKey(idempotencyKey, owner, kept);
    // Of all messages alike: one with a key must not be told of later than the one behind it.
    await kept;
    failpoint('journal.after');
  }

  /** Writes what the inbox says of a turn. */
  put(batch: Batch, { message, followUp, seq }: Turn, more: Pick<InboxRecord, 'joins' | 'starts'>): void {
    const mode = followUp === undefined || followUp === 'followup' ? {} : { followUp };
    batch.put(this.#store.inbox, [this.#session, seq], { message, ...mode, ...more });
  }

  remove(batch: Batch, turns: readonly Turn[]): void {
    for (const { seq } of turns) batch.remove(this.#store.inbox, [this.#session, seq]);
  }

  #putKey(batch: Batch, key: string, owner: KeyOwner, now: number): void {
    this.#store.keys.put(batch, this.#session, key, owner, now);
  }

  /** The key is known from now on, until `kept` is over and the disk knows it. */
  #keepKey(key: string, owner: KeyOwner, kept: Promise<void>): void {
    const arriving = arrivingKey(this.#session, key);
    this.#arriving.set(arriving, { ...owner, kept });
    const forget = () => this.#arriving.delete(arriving);
    kept.then(forget, forget);
  }
}

function arrivingKey(session: string, key: string): string {
  return `${session} ${key}`;
}

/** What is asked about a key before its message reaches the session. */
export interface KeyDependencies {
  store: Store;
  arrivingKeys: ArrivingKeys;
  /** Milliseconds since the epoch. */
  now(): number;
}

/**
 * What the key of a session was used for, once that is safe; undefined when it is free. What is on its way to the disk can
 * be read before it is there. Where nothing is to be waited for nothing is: messages must not overtake each other.
 */
export function firstUse(
  { store, arrivingKeys, now }: KeyDependencies,
  session: string,
  key: string,
): KeyOwner | Promise<KeyOwner> | undefined {
  const arriving = arrivingKeys.get(arrivingKey(session, key));
  if (arriving !== undefined) return arriving.kept.then(() => arriving);
  const owner = store.keys.owner(session, key, now());
  // The keys of a session that is being deleted are gone, though they are removed last.
  return owner === undefined || store.deletions.doesExist(session) ? undefined : owner;
}
