import type { Session } from '../../src/protocol/messages.ts';
import { failpoint } from '../../src/runtime/failpoint.ts';
import type { Batch } from '../../src/storage/journal.ts';
import type { InboxRecord, KeyOwner, Store } from '../../src/storage/store.ts';
import type { Transcript } from './transcript.ts';
import { type Turn, userEntry } from './turn.ts';

const DAY_MS = 24 * 3_600_000;

/** Idempotency keys whose messages are on their way to the disk, where they can't be read yet; of all sessions. */
export type ArrivingKeys = Map<string, KeyOwner & { kept: Promise<void> }>;

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
    return this.#arriving.get(this.#arrivingKey(key)) ?? ownerOf(this.#store, this.#session, key, now);
  }

  /** Does `work` for a message that is no turn, and remembers its key and answer: they are on the disk when it resolves. */
  async claim(key: string, message: string, now: number, work: () => Promise<string>): Promise<string> {
    const done = work().then(async (answer) => {
      const owner = { message, seq: 0, answer };
      await this.#store.journal.commit((batch) => this.#putKey(batch, key, owner, now));
      return answer;
    });
    const kept = done.then(() => {});
    await this.#keepKey(key, { message, seq: 0 }, kept);
    return done;
  }

  /** Writes the turn's message, and with the first message of a session `unkept`, the session itself. */
  async write(turn: Turn, unkept: Session | undefined): Promise<void> {
    const { journal, sessions } = this.#store;
    const { acceptedAt, idempotencyKey, images, message, seq } = turn;
    const owner = { message, seq };
    failpoint('journal.before');
    const kept = journal.commit((batch) => {
      this.#transcript.write(batch, userEntry(turn));
      if (images !== undefined) this.#transcript.writeImages(batch, seq, images);
      this.put(batch, turn, {});
      if (idempotencyKey !== undefined) this.#putKey(batch, idempotencyKey, owner, acceptedAt);
      if (turn.resubmits !== undefined) batch.remove(this.#store.deadLetters, turn.resubmits);
      if (unkept !== undefined) batch.put(sessions, this.#session, unkept);
    });
    await (idempotencyKey === undefined ? kept : this.#keepKey(idempotencyKey, owner, kept));
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
    batch.put(this.#store.keys, [dayOf(now), this.#session, key], owner);
  }

  async #keepKey(key: string, owner: KeyOwner, kept: Promise<void>): Promise<void> {
    const arriving = this.#arrivingKey(key);
    this.#arriving.set(arriving, { ...owner, kept });
    try {
      await kept;
    } finally {
      this.#arriving.delete(arriving);
    }
  }

  #arrivingKey(key: string): string {
    return `${this.#session} ${key}`;
  }
}

/** The message an idempotency key was used for, yesterday or today; keys of earlier days count no more. */
export function ownerOf(store: Store, session: string, key: string, now: number): KeyOwner | undefined {
  const day = dayOf(now);
  return store.keys.get([day, session, key]) ?? store.keys.get([day - 1, session, key]);
}

/** Days since the epoch. */
export function dayOf(now: number): number {
  return Math.floor(now / DAY_MS);
}
