/**
 * Stands in for the module `lmdb` in a simulated process: the part of its interface that `src/storage` uses, with lmdb's
 * semantics as its documentation and code have them, over a simulated {@link Disk}. `lmdb.test.ts` compares it with lmdb.
 *
 * - What is written in one turn of the event loop is one transaction. It is committed later, perhaps with the turns after
 *   it; then it can be read, and some time after that its promise resolves.
 * - A commit is flushed later still. `flushed` resolves for all that was written before it was read.
 * - A commit that fails rejects with an error that has the reason in its `commitError`, and nobody ever hears of its
 *   flush: `flushed` is pending for good until something else is written.
 */
import { Packr } from 'msgpackr';
import { Codec } from '../../src/storage/codec.ts';
import { type Change, compareKeys, type Disk, type Key, type Table as Rows } from './disk.ts';
import type { Mutant } from './mutants.ts';
import type { Random } from './random.ts';

/** What the database is connected to, set before a process opens it. */
export interface Surroundings {
  disk: Disk;
  random: Random;
  /** Calls back in `ms` milliseconds, unless the process is gone by then. Those of a queue come in order. */
  later(queue: string, ms: number, run: () => void): void;
  /** Which turn of the event loop it is. */
  turn(): number;
  /** How long a commit and a flush take on this disk, in milliseconds. */
  speed: { commitMs: number; flushMs: number };
  mutant: Mutant;
  /** Told of every commit before it can be read. */
  onCommit(changes: readonly Change[]): void;
}

let surroundings: Surroundings | undefined;

/** Has the next {@link open} use these. */
export function connect(next: Surroundings): void {
  surroundings = next;
}

export function open(_options: unknown): Root {
  if (surroundings === undefined) throw new Error('connect() says to which disk');
  return new Root(surroundings);
}

interface Range {
  start?: Key;
  end?: Key;
  limit?: number;
  reverse?: boolean;
}

/** All that is written in one turn. */
class Transaction {
  readonly turn: number;
  readonly changes: Change[] = [];
  readonly committed = Promise.withResolvers<boolean>();
  readonly flushed = Promise.withResolvers<void>();

  constructor(turn: number) {
    this.turn = turn;
    this.committed.promise.catch(() => {}); // told to whoever waits
  }
}

class Root {
  readonly around: Surroundings;
  #newest: Transaction | undefined;
  #queued: Transaction[] = [];
  /** Committed, and not known to be on the disk. */
  #unflushed: Transaction[] = [];
  #flushing = false;
  /** What a transaction that is going on has put so far. */
  #sync: Change[] | undefined;

  constructor(around: Surroundings) {
    this.around = around;
  }

  openDB({ name, encoding, encoder }: { name: string; encoding?: string; encoder?: Encoder }): Table {
    return new Table(this, name, encoder ?? (encoding === 'binary' ? asItIs : msgpack));
  }

  /** Writes and flushes at once what `work` puts, in one transaction. */
  transactionSync<T>(work: () => T): T {
    this.#sync = [];
    try {
      const result = work();
      const changes = this.#sync;
      this.#sync = undefined;
      if (changes.length > 0) this.#commitNow(changes);
      return result;
    } finally {
      this.#sync = undefined;
    }
  }

  writeSync(change: Change): void {
    if (this.#sync === undefined) this.#commitNow([change]);
    else this.#sync.push(change);
  }

  #commitNow(changes: readonly Change[]): void {
    const { disk, mutant, onCommit } = this.around;
    if (disk.full) throw new Error('No space left on device');
    onCommit(changes);
    disk.commit(changes);
    if (!mutant.opensUnflushed) disk.flush(disk.unflushed);
  }

  get flushed(): Promise<void> {
    return this.#newest?.flushed.promise ?? Promise.resolve();
  }

  async close(): Promise<void> {
    await this.#newest?.committed.promise.catch(() => {});
  }

  write(change: Change): Promise<boolean> {
    const { turn, later, mutant, speed, random } = this.around;
    let transaction = this.#queued.at(-1);
    if (transaction === undefined || transaction.turn !== turn()) {
      transaction = new Transaction(turn());
      this.#newest = transaction;
      this.#queued.push(transaction);
      later('commits', random.between(0, speed.commitMs), () => this.#commit());
    }
    if (!mutant.loses?.(change)) transaction.changes.push(change);
    return transaction.committed.promise;
  }

  #commit(): void {
    const { disk, mutant, random, later, speed, onCommit } = this.around;
    const count = random.between(1, this.#queued.length);
    const group = this.#queued.splice(0, count);
    if (group.length === 0) return; // an earlier commit took them along
    if (disk.full) {
      later('told', random.between(0, 2), () => fail(group));
      return;
    }
    const changes = group.flatMap((transaction) => transaction.changes);
    onCommit(changes);
    disk.commit(changes);
    this.#unflushed.push(...group);
    later('told', random.between(0, speed.commitMs), () => {
      for (const { committed, flushed } of group) {
        committed.resolve(true);
        if (mutant.flushesLate) flushed.resolve();
      }
    });
    if (!this.#flushing) this.#flush();
  }

  /** One flush at a time, each for all that was committed when it began. */
  #flush(): void {
    const { disk, random, later, speed } = this.around;
    this.#flushing = true;
    const group = this.#unflushed.splice(0);
    const count = disk.unflushed;
    later('told', random.between(0, speed.flushMs), () => {
      disk.flush(count);
      for (const { flushed } of group) flushed.resolve();
      this.#flushing = false;
      if (this.#unflushed.length > 0) this.#flush();
    });
  }
}

function fail(group: readonly Transaction[]): void {
  const commitError = Promise.reject(new Error('No space left on device'));
  commitError.catch(() => {});
  for (const { committed } of group) {
    committed.reject(Object.assign(new Error('Commit failed (see commitError for details)'), { commitError }));
  }
}

/** How values become bytes. What it returns may have the value from `start` to `end` only. */
interface Encoder {
  encode(value: unknown): Buffer & { start?: number; end?: number };
  decode(bytes: Buffer, end?: number): unknown;
}

const packr = new Packr({ useRecords: false });
const msgpack: Encoder = { encode: (value) => packr.pack(value), decode: (bytes) => packr.unpack(bytes) };
const asItIs: Encoder = { encode: (value) => value as Buffer, decode: (bytes) => Buffer.from(bytes) };
const codec = new Codec(() => {
  throw new Error('a value is damaged');
});

/** What a value of the store's tables says. */
export function decode(value: Buffer): unknown {
  return codec.decode(value, value.length);
}

class Table {
  readonly #root: Root;
  readonly #name: string;
  readonly #encoder: Encoder;

  constructor(root: Root, name: string, encoder: Encoder) {
    this.#root = root;
    this.#name = name;
    this.#encoder = encoder;
  }

  get(key: Key): unknown {
    const value = this.#rows.get(key);
    return value === undefined ? undefined : this.#decode(value);
  }

  doesExist(key: Key): boolean {
    return this.#rows.get(key) !== undefined;
  }

  /** Encoded at once: what becomes of the value later is of no matter. */
  put(key: Key, value: unknown): Promise<boolean> {
    return this.#root.write(this.#putting(key, value));
  }

  putSync(key: Key, value: unknown): void {
    this.#root.writeSync(this.#putting(key, value));
  }

  transactionSync<T>(work: () => T): T {
    return this.#root.transactionSync(work);
  }

  remove(key: Key): Promise<boolean> {
    return this.#root.write({ table: this.#name, key, value: undefined });
  }

  /** What is read is never old here. */
  resetReadTxn(): void {}

  getStats(): { entryCount: number } {
    return { entryCount: this.#rows.rows.length };
  }

  getKeysCount(range: Range = {}): number {
    return this.#range(range).length;
  }

  *getKeys(range: Range = {}): Generator<Key> {
    for (const { key } of this.#range(range)) yield key;
  }

  *getRange(range: Range = {}): Generator<{ key: Key; value: unknown }> {
    for (const { key, value } of this.#range(range)) yield { key, value: this.#decode(value) };
  }

  /** From `start`, included, to `end`, not included. */
  #range({ start, end, limit = Infinity, reverse = false }: Range): { key: Key; value: Buffer }[] {
    const { rows } = this.#rows;
    const passes = reverse
      ? (key: Key) =>
          (start === undefined || compareKeys(key, start) <= 0) && (end === undefined || compareKeys(key, end) > 0)
      : (key: Key) =>
          (start === undefined || compareKeys(key, start) >= 0) && (end === undefined || compareKeys(key, end) < 0);
    const found = rows.filter(({ key }) => passes(key));
    return (reverse ? found.reverse() : found).slice(0, limit);
  }

  #putting(key: Key, value: unknown): Change {
    const bytes = this.#encoder.encode(value);
    const { start = 0, end = bytes.length } = bytes;
    return { table: this.#name, key, value: Buffer.from(bytes.subarray(start, end)) };
  }

  get #rows(): Rows {
    return this.#root.around.disk.visible.of(this.#name);
  }

  #decode(value: Buffer): unknown {
    return this.#encoder.decode(value, value.length);
  }
}
