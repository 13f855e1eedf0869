import type { Database } from 'lmdb';
import type { MessageOrigin, Undelivered } from '../protocol/messages.ts';
import type { Batch } from './journal.ts';

/** Records of one chat that wait to be sent; one more is recorded as failed. */
const CHAT_RECORDS_MAX = 1_000;
/** The same of all chats together. */
const RECORDS_MAX = 100_000;
/** Messages that could not be sent, which are kept of each account for an operator; the oldest make room. */
const UNDELIVERED_MAX = 1_000;

/** What waits to be sent to a chat, and how far that is. Written in one commit with what it tells of. */
export interface OutboxRecord {
  /** The chat, by the ids of its platform. */
  chat: MessageOrigin['chat'];
  /** The platform's id of the message it answers. */
  replyTo?: string;
  /** Markdown of any length. */
  text: string;
  /** Milliseconds since the epoch. */
  createdAt: number;
  /** The platform's ids of the pieces that are there, in order; null for one of which that is not known. */
  sent: (string | null)[];
  /** The messages it is cut into; undefined until that is known. */
  pieces?: string[];
  /** There while the next piece is on its way: after a crash nobody knows whether it arrived. */
  intended?: true;
  /**
   * There while what showed the answer being made is turned into it, with the ids of the messages that are edited to its
   * first pieces: after a crash that is done once more. None: nobody knows what is there.
   */
  previews?: readonly string[];
  /** The key the next piece was sent with before. */
  key?: string;
  /** Why a piece may not have arrived. */
  doubt?: string;
  session?: string;
  /** The message of the user that it answers, the run that did, and the entry of the transcript with the answer. */
  message?: string;
  run?: string;
  entry?: number;
}

/** Sorted by account (`telegram:work`), then by chat, then by age. `id` is unique and sorts by time. */
export type OutboxKey = [account: string, lane: string, id: string];

type UndeliveredKey = [account: string, id: string];

/** What order is kept in: a chat, or a part of one. */
export function laneOf({ id, thread }: MessageOrigin['chat']): string {
  return thread === undefined ? id : `${id}/${thread}`;
}

/** The tables of what is to be sent to channels, and of what could not be. */
export class OutboxTable {
  readonly #records: Database<OutboxRecord, OutboxKey>;
  readonly #undelivered: Database<Undelivered, UndeliveredKey>;

  constructor(records: Database<OutboxRecord, OutboxKey>, undelivered: Database<Undelivered, UndeliveredKey>) {
    this.#records = records;
    this.#undelivered = undelivered;
  }

  /** Whether a chat may have one more record. */
  hasRoom(account: string, lane: string): boolean {
    const range = { start: [account, lane, ''], end: [account, lane, '\x7f'], limit: CHAT_RECORDS_MAX };
    return this.#records.getKeysCount(range as never) < CHAT_RECORDS_MAX && this.#size < RECORDS_MAX;
  }

  get #size(): number {
    return (this.#records.getStats() as { entryCount: number }).entryCount;
  }

  put(batch: Batch, key: OutboxKey, record: OutboxRecord): void {
    batch.put(this.#records, key, record);
  }

  remove(batch: Batch, key: OutboxKey): void {
    batch.remove(this.#records, key);
  }

  /** The record as it is on the disk by now, also where another thread has written it a moment ago. */
  get(key: OutboxKey): OutboxRecord | undefined {
    this.#records.resetReadTxn();
    return this.#records.get(key);
  }

  /** Keys of all records of an account, by chat and age. */
  *keysOf(account: string): Generator<OutboxKey, void> {
    this.#records.resetReadTxn();
    yield* this.#records.getKeys({ start: [account] as never, end: [account, '\uffff'] as never });
  }

  /** Keeps what could not be sent, for an operator. */
  bury(batch: Batch, id: string, what: Undelivered): void {
    const account = `${what.channel}:${what.account}`;
    batch.put(this.#undelivered, [account, id], what);
    const range = { start: [account], end: [account, '\x7f'] };
    // A copy: lmdb notes in what it is given that only a count is wanted.
    const more = this.#undelivered.getKeysCount({ ...range } as never) + 1 - UNDELIVERED_MAX;
    if (more <= 0) return;
    for (const key of [...this.#undelivered.getKeys({ ...range, limit: more } as never)]) {
      batch.remove(this.#undelivered, key);
    }
  }

  /** The newest of what could not be sent of an account, oldest first. */
  undelivered(account: string, limit: number): Undelivered[] {
    const range = { start: [account, '\x7f'], end: [account], reverse: true, limit };
    return Array.from(this.#undelivered.getRange(range as never), ({ value }) => value)
      .filter((value) => value !== undefined) // damaged
      .reverse();
  }
}
