import type { Database } from 'lmdb';

/** What was spent on one day by one sender, or by all. */
export interface Spent {
  runs: number;
  /** Input and output. */
  tokens: number;
  /** Micro-dollars. */
  cost: number;
  /** The dearest single request to a model so far. */
  largest: { tokens: number; cost: number };
  /** Requests to models that are going on, by the shard that makes them. */
  open: Record<number, number>;
}

/** `day` as YYYY-MM-DD. */
type SpendingKey = [day: string, scope: string];

/**
 * The table of what was spent. One sender's sessions live on several shards, so nobody owns a record: every change reads
 * and writes inside one transaction of the store, of which there is only one at a time over all threads.
 */
export class SpendingTable {
  readonly #table: Database<Spent, SpendingKey>;

  constructor(table: Database<Spent, SpendingKey>) {
    this.#table = table;
  }

  /**
   * Calls `change` with the records of `scopes`, new ones where there are none, and keeps what it made of them, or
   * nothing when it throws. Survives the death of the process once it has resolved.
   */
  change<T>(day: string, scopes: readonly string[], change: (records: readonly Spent[]) => T): Promise<T> {
    return this.#table.transaction(() => {
      const records = scopes.map((scope) => this.#table.get([day, scope]) ?? nothingSpent());
      const result = change(records);
      for (const [index, scope] of scopes.entries()) void this.#table.put([day, scope], records[index]!);
      return result;
    });
  }

  /** Forgets days before `day`, and the open requests of shards that `isGone`: nobody will end those. */
  tidy(day: string, isGone: (shard: number) => boolean): Promise<void> {
    return this.#table.transaction(() => {
      // Collected first: a cursor must not run over what is being changed.
      for (const { key, value } of Array.from(this.#table.getRange({}))) {
        if (key[0] < day || value === undefined) {
          void this.#table.remove(key);
          continue;
        }
        const open = Object.entries(value.open).filter(([shard]) => !isGone(Number(shard)));
        void this.#table.put(key, { ...value, open: Object.fromEntries(open) });
      }
    });
  }
}

function nothingSpent(): Spent {
  return { runs: 0, tokens: 0, cost: 0, largest: { tokens: 0, cost: 0 }, open: {} };
}
