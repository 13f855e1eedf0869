/**
 * The LMDB environment of a data folder and its tables. One environment, opened by every shard thread: a session may
 * move to another shard (another number of shards, a replaced one) without its data moving.
 *
 * Reads are synchronous (memory-mapped, a few microseconds); writes go through {@link Journal} only. A value that is
 * damaged reads as one that is not there, and is counted (`codec.ts`).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, type Key, open, type RootDatabase } from 'lmdb';
import { DhaavakError, type WireError } from '../protocol/errors.ts';
import type { Attachment, FollowUp, HistoryEntry, Session } from '../protocol/messages.ts';
import { ApprovalTable } from './approvals.ts';
import { Codec } from './codec.ts';
import { surviveCommitFailures } from './commit-failure.ts';
import { FactOwnerTable } from './fact-owners.ts';
import { FactTable } from './facts.ts';
import { IdempotencyKeys, type KeyAges } from './idempotency.ts';
import { type Batch, Journal } from './journal.ts';
import { JournalHealth } from './journal-health.ts';
import { STORE_VERSION, VERSION_KEY } from './migrations.ts';
import { OutboxTable } from './outbox.ts';
import { STORE_FILE } from './page-file.ts';
import { PairingTable } from './pairing.ts';
import { ScheduleTable } from './schedules.ts';
import { SpawnTable } from './spawns.ts';
import { SpendingTable } from './spending.ts';
import { UnlearnTable } from './unlearn.ts';

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

/** Where the newest summary of a session stands in its transcript, and how many there were. */
export interface SummaryPlace {
  seq: number;
  count: number;
  /** The conversation was begun anew since. */
  reset?: true;
}

/** An entry with what it takes in the store, in bytes; without `entry` it is damaged. */
export interface SizedEntry {
  seq: number;
  bytes: number;
  entry: HistoryEntry | undefined;
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

/**
 * Address space, not memory or disk: the file grows as it is used. Not a limit either: past it lmdb maps the file anew,
 * twice as large, and readers go on with the old map until they are done. What limits a store is its disk.
 */
const MAP_BYTES = 64 * 1024 ** 3;
const TABLES_MAX = 32;

export interface StoreOptions {
  /** As for {@link Journal}; default true. */
  flush?: boolean;
  /** Called with every value of `table` that is read and damaged. */
  onDamaged?: (table: string) => void;
  /** Called with why nothing can be written, and with undefined when that is over. */
  onTrouble?: (trouble: string | undefined) => void;
}

/** The environment of `folder`, made if it is not there. Throws what LMDB throws on a file it cannot use. */
export function openEnvironment(folder: string): RootDatabase {
  surviveCommitFailures();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return open({ path: join(folder, STORE_FILE), mapSize: MAP_BYTES, maxDbs: TABLES_MAX });
}

/** A table whose values are what {@link Codec} makes of them. */
export function openTable<V, K extends Key>(
  root: RootDatabase,
  name: string,
  onDamaged: (table: string) => void,
): Database<V, K> {
  const options = { name, encoder: new Codec(() => onDamaged(name)) }; // lmdb's types do not list `encoder`
  return root.openDB(options);
}

/** The numbers of transcript entries, where the disk alone cannot tell the next one. */
class Numbers {
  readonly #onDisk: (session: string) => number;
  /** Of sessions whose newest entries were removed: numbers are never given out again. */
  readonly #removed: Database<number, string>;
  /** Of sessions that crashed with entries on their way to the disk. */
  readonly #kept = new Map<string, number>();

  constructor(onDisk: (session: string) => number, removed: Database<number, string>) {
    this.#onDisk = onDisk;
    this.#removed = removed;
  }

  /** The number that was given last; 0: none was. */
  last(session: string): number {
    const kept = this.#kept.get(session) ?? 0;
    this.#kept.delete(session);
    return Math.max(kept, this.#onDisk(session), this.#removed.get(session) ?? 0);
  }

  /** To be called in the commit that removes the newest entry, number `last`: the next one goes on from there. */
  remember(batch: Batch, session: string, last: number): void {
    batch.put(this.#removed, session, last);
  }

  /** To be called in the commit that removes a session: one that is made again begins anew. */
  forget(batch: Batch, session: string): void {
    batch.remove(this.#removed, session);
  }

  /** To be called for a session that crashes: whoever comes after it goes on from `last`. */
  keep(session: string, last: number): void {
    this.#kept.set(session, last);
  }
}

export class Store {
  readonly #root: RootDatabase;
  readonly #health: JournalHealth;
  readonly sessions: Database<Session, string>;
  readonly entries: Database<HistoryEntry, EntryKey>;
  readonly #entryCodec: Codec;
  /** Images of users' entries, in the order they came, as they are. */
  readonly images: Database<Buffer, [session: string, seq: number, index: number]>;
  readonly summaries: Database<SummaryPlace, string>;
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
  readonly schedules: ScheduleTable;
  readonly spawns: SpawnTable;
  /** What operators were asked about tool calls, and what they said. */
  readonly approvals: ApprovalTable;
  /** What agents were told to remember. */
  readonly facts: FactTable;
  readonly factOwners: FactOwnerTable;
  /** What was deleted and an index of what was said may still know. */
  readonly unlearn: UnlearnTable;
  readonly numbers: Numbers;
  readonly journal: Journal;
  /** Damaged values read since this store was opened; one that is read twice counts twice. */
  damaged = 0;
  #isDurable = false;
  readonly #durable = Promise.withResolvers<void>();
  /** Resolves when it is {@link isDurable}: at once, but for a disk that is full. */
  readonly durable = this.#durable.promise;
  /** How long the keys of each day have been there. */
  readonly keyAges: Database<KeyAges, 'ages'>;
  /** What is known of the store itself: its version, and how far a migration has come. */
  readonly #meta: Database<unknown, string>;

  /**
   * Opens (and on first use makes) the store in `folder`, mode 0700. Throws what LMDB throws on a file it cannot use, and
   * `store_unusable` for a store of another version: `prepare.ts` brings an older one to this one before.
   */
  constructor(folder: string, { flush = true, onDamaged, onTrouble = () => {} }: StoreOptions = {}) {
    const root = openEnvironment(folder);
    const count = (table: string) => {
      this.damaged += 1;
      onDamaged?.(table);
    };
    this.#root = root;
    const table = <V, K extends Key>(name: string): Database<V, K> => openTable(root, name, count);
    this.sessions = table('sessions');
    this.entries = table('entries');
    this.#entryCodec = new Codec(() => count('entries'));
    this.images = root.openDB({ name: 'images', encoding: 'binary' });
    this.summaries = table('summaries');
    this.inbox = table('inbox');
    this.keys = new IdempotencyKeys(table('keys'));
    this.keyAges = table('keyAges');
    this.deadLetters = table('deadLetters');
    this.deletions = table('deletions');
    this.spending = new SpendingTable(table('spending'));
    this.outbox = new OutboxTable(table('outbox'), table('undelivered'));
    this.pairing = new PairingTable(root, {
      requests: table('pairing-requests'),
      grants: table('grants'),
      versions: table('grant-versions'),
    });
    this.schedules = new ScheduleTable(table('schedules'));
    this.spawns = new SpawnTable(table('spawns'), table('children'));
    this.approvals = new ApprovalTable(table('approvals-waiting'), table('approvals'));
    this.facts = new FactTable(table('facts'));
    this.factOwners = new FactOwnerTable(table('fact-owners'));
    this.unlearn = new UnlearnTable(table('unlearn'));
    this.#meta = table('meta');
    this.numbers = new Numbers((session) => this.lastSeq(session), table('last-numbers'));
    this.#health = new JournalHealth({
      folder,
      probe: () => this.journal.commit((batch) => batch.put(this.#meta, 'probe', Date.now())),
      onChange: (trouble) => {
        if (trouble === undefined) this.#becameDurable();
        onTrouble(trouble);
      },
    });
    this.journal = new Journal(root, { flush, health: this.#health });
    if (this.#meta.get(VERSION_KEY) !== STORE_VERSION) this.#checkVersion(folder);
    if (flush) this.#makeDurable();
    else this.#becameDurable();
  }

  /** False: a loss of power may still take some of what can be read. Nobody may be told of that, and nothing may run on it. */
  get isDurable(): boolean {
    return this.#isDurable;
  }

  /** Throws `unavailable` while it is not {@link isDurable}: what was sent before the start may be there, or may be lost. */
  checkDurable(): void {
    if (this.#isDurable) return;
    throw new DhaavakError('unavailable', 'the disk has taken nothing since the start', { retryAfterMs: 1_000 });
  }

  /**
   * What a process that was killed had committed and not flushed can be read, though a loss of power would still take it:
   * LMDB takes what it finds for flushed, and goes back to the last flush it knows of after another boot. So nobody is told
   * of anything here before there is a commit, and with it a flush, of this life.
   */
  #makeDurable(): void {
    try {
      this.#meta.transactionSync(() => this.#meta.putSync('opened', Date.now())); // flushed when it returns
      this.#becameDurable();
    } catch (error) {
      // A full disk must not keep a gateway down: it is told, and tried again until it succeeds, as any failed commit is.
      this.#health.ended(error);
    }
  }

  #becameDurable(): void {
    this.#isDurable = true;
    this.#durable.resolve();
  }

  /** Marks a new store with its version, in a transaction: several shards may come at once. Throws for any other. */
  #checkVersion(folder: string): void {
    const version = this.#meta.transactionSync(() => {
      const known = this.#meta.get(VERSION_KEY);
      if (known !== undefined) return known;
      const unsaid = this.#isEmpty() ? STORE_VERSION : 1;
      if (unsaid === STORE_VERSION) this.#meta.putSync(VERSION_KEY, STORE_VERSION);
      return unsaid;
    });
    if (version === STORE_VERSION) return;
    this.#health.stop();
    void this.#root.close();
    throw new DhaavakError('store_unusable', `the store in ${folder} is of version ${version}, not ${STORE_VERSION}`);
  }

  #isEmpty(): boolean {
    return [this.sessions, this.entries].every((table) => table.getKeysCount({ limit: 1 }) === 0);
  }

  /** Transcript entries with `seq` below `before`, the newest `limit` that can be read, oldest first. */
  entriesBefore(session: string, before: number, limit: number): HistoryEntry[] {
    const found: HistoryEntry[] = [];
    if (limit <= 0) return found;
    for (const { value } of this.entries.getRange({ start: [session, before - 1], end: [session, 0], reverse: true })) {
      if (value === undefined) continue;
      found.push(value);
      if (found.length === limit) break;
    }
    return found.reverse();
  }

  /** Transcript entries with `seq` between the two, from either end; undefined for one that is damaged. Read as asked for. */
  *entriesBetween(
    session: string,
    after: number,
    before: number,
    forwards: boolean,
  ): Generator<{ seq: number; entry: HistoryEntry | undefined }, void> {
    const [low, high] = [[session, after] as EntryKey, [session, before] as EntryKey];
    const range = forwards
      ? { start: low, exclusiveStart: true, end: high }
      : { start: high, exclusiveStart: true, end: low, reverse: true };
    for (const { key, value } of this.entries.getRange(range)) yield { seq: key[1], entry: value };
  }

  /** At most `limit` entries with `seq` above `after`, in order, with their sizes. Read as asked for. */
  *sizedEntries(session: string, after: number, limit: number): Generator<SizedEntry, void> {
    const range = { start: [session, after + 1] as EntryKey, end: [session, Infinity] as EntryKey, limit };
    for (const key of this.entries.getKeys(range)) {
      const value = this.entries.getBinary(key);
      if (value === undefined) continue; // it went a moment ago
      yield { seq: key[1], bytes: value.length, entry: this.#entryCodec.decode(value) as HistoryEntry | undefined };
    }
  }

  /** The messages of a session that were accepted and have not ended, by the `seq` of their entries. */
  *openTurns(session: string): Generator<[seq: number, message: string], void> {
    for (const { key, value } of this.inbox.getRange({ start: [session, 0], end: [session, Infinity] })) {
      yield [key[1], value?.message ?? ''];
    }
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
    return Array.from(range, ({ value }) => value).filter((entry) => entry !== undefined);
  }

  /** The messages a session accepted and did not finish, in order. */
  unfinished(session: string): { entry: HistoryEntry; record: InboxRecord }[] {
    const found: { entry: HistoryEntry; record: InboxRecord }[] = [];
    for (const { key, value } of this.inbox.getRange({ start: [session, 0], end: [session, Infinity] })) {
      const entry = this.entries.get(key);
      // A damaged record only takes away how the message was to be followed up.
      if (entry !== undefined) found.push({ entry, record: value ?? { message: entry.message } });
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
    this.#health.stop();
    await this.journal.close();
    await this.#root.close();
  }
}
