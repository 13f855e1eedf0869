import { setImmediate } from 'node:timers';
import type { Database, Key, RootDatabase } from 'lmdb';
import { DhaavakError } from '../protocol/errors.ts';
import { reasonOf } from './commit-failure.ts';
import type { JournalHealth } from './journal-health.ts';

/**
 * What a commit does with the tables. It runs later, with its group: values must not change in between, and it must not
 * throw, since the others of its group would fail with it.
 */
export type Write = (batch: Batch) => void;

/** Commits in one group. More wait for the next: one transaction must not hold the writer lock for long. */
const GROUP_MAX = 4_096;

export interface JournalOptions {
  flush?: boolean;
  health?: JournalHealth;
}

/**
 * Group commit. While one group of writes is on its way to the disk the next one gathers, so that a flush is shared by
 * all who wait for it and a lone writer waits for one flush only. (Measured, `shared/measurements.md`: one awaited `put`
 * at a time reaches 1,560 a second, groups reach 70,000.) The idea is that of every database's group commit.
 */
export class Journal {
  readonly #root: RootDatabase;
  readonly #flush: boolean;
  #gathering: Group | undefined;
  #writing: Promise<void> | undefined;
  /** Full groups that wait behind the one being written. */
  readonly #full: Group[] = [];
  readonly #health: JournalHealth | undefined;
  #closed = false;

  /**
   * `flush` (default true): a commit counts when the disk has it, and survives a loss of power. Without, it counts when the
   * system has it, and survives the end of the process. `health` is told how each group fares.
   */
  constructor(root: RootDatabase, { flush = true, health }: JournalOptions = {}) {
    this.#root = root;
    this.#flush = flush;
    this.#health = health;
  }

  /**
   * Resolves when everything `write` put and removed is on the disk: all of it or, with a rejection of
   * `storage_failed`, none of it. Commits reach the disk in the order of the calls. Rejects with `unavailable` once it is
   * closed: what a deletion has left to do, the next start does.
   */
  commit(write: Write): Promise<void> {
    if (this.#closed) return Promise.reject(closedError());
    if (this.#gathering === undefined) {
      this.#gathering = new Group();
      if (this.#writing === undefined) this.#writing = this.#writeGroups();
    }
    const group = this.#gathering;
    group.writes.push(write);
    if (group.writes.length >= GROUP_MAX) {
      this.#full.push(group);
      this.#gathering = undefined;
    }
    return group.done;
  }

  /** To be asked before a read that comes after a pause: lmdb must not read a closed file. Throws `unavailable`. */
  checkOpen(): void {
    if (this.#closed) throw closedError();
  }

  /** Takes nothing more; resolves when what it has taken is written. */
  close(): Promise<void> {
    this.#closed = true;
    return this.settled();
  }

  /** Resolves when nothing is waiting or being written. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #writeGroups(): Promise<void> {
    // The first group gathers until the end of this turn of the event loop, the later ones while one is written.
    await new Promise((resolve) => setImmediate(resolve));
    for (;;) {
      const group = this.#full.shift() ?? this.#gathering;
      if (group === undefined) break;
      if (group === this.#gathering) this.#gathering = undefined;
      await this.#write(group);
    }
    this.#writing = undefined;
  }

  async #write(group: Group): Promise<void> {
    this.#health?.began();
    try {
      const batch = new Batch();
      for (const write of group.writes) write(batch);
      // Of nothing written there is no flush to wait for: after a commit that failed, lmdb's `flushed` is pending for good.
      const flushed = this.#flush && batch.commits.size > 0 ? [this.#root.flushed] : [];
      await Promise.all([...batch.commits, ...flushed]);
      this.#health?.ended();
      group.resolve();
    } catch (error) {
      const cause = await reasonOf(error);
      this.#health?.ended(cause);
      group.reject(new DhaavakError('storage_failed', 'the journal could not be written', { cause }));
    }
  }
}

function closedError(): DhaavakError {
  return new DhaavakError('unavailable', 'the store is closed');
}

/** Commits that reach the disk in one transaction, and the promise they share. */
class Group {
  readonly writes: Write[] = [];
  readonly done: Promise<void>;
  resolve!: () => void;
  reject!: (error: Error) => void;

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/** The writes of one group. lmdb puts all that is written in one turn of the event loop into one transaction. */
export class Batch {
  /** Promises of the commit; lmdb gives the same one to nearly every write of a turn. */
  readonly commits = new Set<Promise<boolean>>();

  put<V, K extends Key>(table: Database<V, K>, key: K, value: V): void {
    this.commits.add(table.put(key, value));
  }

  remove<V, K extends Key>(table: Database<V, K>, key: K): void {
    this.commits.add(table.remove(key));
  }
}
