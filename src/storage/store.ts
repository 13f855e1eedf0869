/**
 * The LMDB environment of a data folder and its tables. One environment, opened by every shard thread: a session may
 * move to another shard (another number of shards, a replaced one) without its data moving.
 *
 * Reads are synchronous (memory-mapped, a few microseconds); writes go through {@link Journal} only.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { WireError } from '../protocol/errors.ts';
import type { Attachment, FollowUp, HistoryEntry, Session } from '../protocol/messages.ts';
import { surviveCommitFailures } from './commit-failure.ts';
import { IdempotencyKeys } from './idempotency.ts';
import { Journal } from './journal.ts';
import { OutboxTable } from './outbox.ts';
import { PairingTable } from './pairing.ts';
import { SpendingTable } from './spending.ts';

/** Table keys sort by session, then by transcript `seq`. */
export type EntryKey = [session: string, seq: number];

/** A message that was accepted and whose turn has not ended. Its text is the transcript's entry of the same key. */
export interface InboxRecord {
  message: string;
  /** What becomes of it while its session is at work; absent: a turn of its own, in line. */
  followUp?: FollowUp;
  /** `seq` of the message whose run answers it too. */
  joins?: number;
  /** In how many lives of the process it began to run; absent: perhaps in the one it was accepted in. */
  starts?: number;
}

/** A message that was given up, and why. */
export interface DeadLetter {
  message: string;
  session: string;
  /** Of its entry in the transcript. */
  seq: number;
  text: string;
  attachments?: readonly Attachment[];
  error: WireError;
  attempts: number;
  /** Milliseconds since the epoch. */
  acceptedAt: number;
  diedAt: number;
}

/** Plain msgpack maps, which any tool can read. (lmdb passes this on to msgpackr; its types do not say so.) */
const plain = { encoding: 'msgpack' as const, useRecords: false };

/** Address space, not memory or disk: the file grows as it is used. */
const MAP_BYTES = 64 * 1024 ** 3;

/** The numbers of transcript entries, where the disk alone cannot tell the next one. */
class Numbers {
  readonly #onDisk: (session: string) => number;
  /** Of sessions that crashed with entries on their way to the disk. */
  readonly #kept = new Map<string, number>();

  constructor(onDisk: (session: string) => number) {
    this.#onDisk = onDisk;
  }

  /** The number that was given last; 0: none was. */
  last(session: string): number {
    const kept = this.#kept.get(session) ?? 0;
    this.#kept.delete(session);
    return Math.max(kept, this.#onDisk(session));
  }

  /** To be called for a session that crashes: whoever comes after it goes on from `last`. */
  keep(session: string, last: number): void {
    this.#kept.set(session, last);
  }
}

export class Store {
  readonly #root: RootDatabase;
  readonly sessions: Database<Session, string>;
  readonly entries: Database<HistoryEntry, EntryKey>;
  /** Images of users' entries, in the order they came, as they are. */
  readonly images: Database<Buffer, [session: string, seq: number, index: number]>;
  /** The messages that were accepted and whose turns have not ended. */
  readonly inbox: Database<InboxRecord, EntryKey>;
  readonly keys: IdempotencyKeys;
  /** By message; ids sort by time, the oldest first. */
  readonly deadLetters: Database<DeadLetter, string>;
  /** Sessions whose deletion has begun and not ended. */
  readonly deletions: Database<true, string>;
  readonly spending: SpendingTable;
  readonly outbox: OutboxTable;
  readonly pairing: PairingTable;
  readonly numbers: Numbers;
  readonly journal: Journal;

  /**
   * Opens (and on first use makes) the store in `folder`, mode 0700; `flush` as for {@link Journal}. Throws what LMDB throws
   * on a file it cannot use.
   */
  constructor(folder: string, { flush = true } = {}) {
    surviveCommitFailures();
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#root = open({ path: join(folder, 'store.mdb'), mapSize: MAP_BYTES, maxDbs: 32 });
    this.sessions = this.#root.openDB({ name: 'sessions', ...plain });
    this.entries = this.#root.openDB({ name: 'entries', ...plain });
    this.images = this.#root.openDB({ name: 'images', encoding: 'binary' });
    this.inbox = this.#root.openDB({ name: 'inbox', ...plain });
    this.keys = new IdempotencyKeys(this.#root, plain);
    this.deadLetters = this.#root.openDB({ name: 'deadLetters', ...plain });
    this.deletions = this.#root.openDB({ name: 'deletions', ...plain });
    this.spending = new SpendingTable(this.#root, plain);
    this.outbox = new OutboxTable(this.#root, plain);
    this.pairing = new PairingTable(this.#root, plain);
    this.journal = new Journal(this.#root, flush);
    this.numbers = new Numbers((session) => this.lastSeq(session));
  }

  /** Transcript entries with `seq` below `before`, newest `limit` of them, oldest first. */
  entriesBefore(session: string, before: number, limit: number): HistoryEntry[] {
    const range = this.entries.getRange({ start: [session, before - 1], end: [session, 0], reverse: true, limit });
    return Array.from(range, ({ value }) => value).reverse();
  }

  /** The highest transcript `seq` of a session, 0 when it has none. */
  lastSeq(session: string): number {
    for (const [, seq] of this.entries.getKeys({
      start: [session, Infinity],
      end: [session],
      reverse: true,
      limit: 1,
    })) {
      return seq;
    }
    return 0;
  }

  /** Transcript entries with `seq` above `after`, in order. */
  entriesAfter(session: string, after: number): HistoryEntry[] {
    const range = this.entries.getRange({ start: [session, after + 1], end: [session, Infinity] });
    return Array.from(range, ({ value }) => value);
  }

  /** The messages a session accepted and did not finish, in order. */
  unfinished(session: string): { entry: HistoryEntry; record: InboxRecord }[] {
    const found: { entry: HistoryEntry; record: InboxRecord }[] = [];
    for (const { key, value: record } of this.inbox.getRange({ start: [session, 0], end: [session, Infinity] })) {
      const entry = this.entries.get(key);
      if (entry !== undefined) found.push({ entry, record });
    }
    return found;
  }

  /** Keys of the sessions that have unfinished messages. */
  sessionsWithUnfinished(): Set<string> {
    const sessions = new Set<string>();
    for (const [session] of this.inbox.getKeys()) sessions.add(session);
    return sessions;
  }

  /** Waits for what was given to the journal, then closes. */
  async close(): Promise<void> {
    await this.journal.settled();
    await this.#root.close();
  }
}
