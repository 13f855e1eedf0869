/**
 * The LMDB environment of a data folder and its tables. One environment, opened by every shard thread: a session may
 * move to another shard (another number of shards, a replaced one) without its data moving.
 *
 * Reads are synchronous (memory-mapped, a few microseconds); writes go through {@link Journal} only.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { HistoryEntry, Session } from '../protocol/messages.ts';
import { surviveCommitFailures } from './commit-failure.ts';
import { Journal } from './journal.ts';
import { OutboxTable } from './outbox.ts';
import { PairingTable } from './pairing.ts';
import { SpendingTable } from './spending.ts';

/** Table keys sort by session, then by transcript `seq`. */
export type EntryKey = [session: string, seq: number];

/** Plain msgpack maps, which any tool can read. (lmdb passes this on to msgpackr; its types do not say so.) */
const plain = { encoding: 'msgpack' as const, useRecords: false };

/** Address space, not memory or disk: the file grows as it is used. */
const MAP_BYTES = 64 * 1024 ** 3;

export class Store {
  readonly #root: RootDatabase;
  readonly sessions: Database<Session, string>;
  readonly entries: Database<HistoryEntry, EntryKey>;
  /** Images of users' entries, in the order they came, as they are. */
  readonly images: Database<Buffer, [session: string, seq: number, index: number]>;
  /** Which entries are messages that were accepted and whose turn has not ended; the value is the message's id. */
  readonly inbox: Database<string, EntryKey>;
  /** [session, idempotency key] → the message it became. */
  readonly keys: Database<string, [session: string, key: string]>;
  /** Sessions whose deletion has begun and not ended. */
  readonly deletions: Database<true, string>;
  readonly spending: SpendingTable;
  readonly outbox: OutboxTable;
  readonly pairing: PairingTable;
  readonly journal: Journal;

  /**
   * Opens (and on first use makes) the store in `folder`, mode 0700. Throws what LMDB throws on a file it cannot use.
   */
  constructor(folder: string) {
    surviveCommitFailures();
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#root = open({ path: join(folder, 'store.mdb'), mapSize: MAP_BYTES, maxDbs: 32 });
    this.sessions = this.#root.openDB({ name: 'sessions', ...plain });
    this.entries = this.#root.openDB({ name: 'entries', ...plain });
    this.images = this.#root.openDB({ name: 'images', encoding: 'binary' });
    this.inbox = this.#root.openDB({ name: 'inbox', ...plain });
    this.keys = this.#root.openDB({ name: 'keys', ...plain });
    this.deletions = this.#root.openDB({ name: 'deletions', ...plain });
    this.spending = new SpendingTable(this.#root, plain);
    this.outbox = new OutboxTable(this.#root, plain);
    this.pairing = new PairingTable(this.#root, plain);
    this.journal = new Journal(this.#root);
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

  /** The messages a session accepted and did not finish, in order. */
  unfinished(session: string): HistoryEntry[] {
    const keys = this.inbox.getKeys({ start: [session, 0], end: [session, Infinity] });
    return Array.from(keys, (key) => this.entries.get(key)).filter((entry) => entry !== undefined);
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
