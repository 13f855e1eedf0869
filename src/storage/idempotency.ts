import type { Database } from 'lmdb';
import type { Batch } from './journal.ts';

/** Which message an idempotency key was used for. */
export interface KeyOwner {
  message: string;
  /** Of its entry in the transcript; 0 for what has none, such as a chat command. */
  seq: number;
  /** Of a chat command. */
  answer?: string;
}

/** Counted in the time that a gateway has run on this store: what its clock said, and how long it stood, are of no matter. */
export interface KeyAges {
  ranMs: number;
  /** When each day was today's last, or was first seen when it never was. */
  seen: [day: number, ranMs: number][];
}

/** `scope` is whose key it is, such as a session. Days are numbered from the epoch. */
type DayKey = [day: number, scope: string, key: string];

const DAY_MS = 24 * 3_600_000;
/** Days that the clock may have said while one commit was on its way. */
const RECENT_DAYS = 4;

/**
 * Idempotency keys by the day of their first use, so that old ones stand together and can be removed without looking at
 * the others. A key counts for as long as it is there, whatever day the machine's clock says it is meanwhile. Times are in
 * milliseconds since the epoch.
 */
export class IdempotencyKeys {
  readonly #table: Database<KeyOwner, DayKey>;
  /** The days of which there may be keys: those that were on the disk, and those of keys put here. */
  #known: number[] | undefined;

  constructor(table: Database<KeyOwner, DayKey>) {
    this.#table = table;
  }

  /** What the key was used for; undefined when it is free. */
  owner(scope: string, key: string, now: number): KeyOwner | undefined {
    this.#known ??= this.days();
    const day = dayOf(now);
    // Those of another thread are of about now; the others are there where the clock was set by days.
    for (const used of new Set([day, day - 1, day + 1, ...this.#known])) {
      const owner = this.#table.get([used, scope, key]);
      if (owner !== undefined) return owner;
    }
    return undefined;
  }

  put(batch: Batch, scope: string, key: string, owner: KeyOwner, now: number): void {
    const day = dayOf(now);
    if (!this.#known?.includes(day)) {
      // What was put last may not be readable yet.
      const recent = this.#known?.slice(0, RECENT_DAYS) ?? [];
      this.#known = [...new Set([day, ...recent, ...this.days()])];
    }
    batch.put(this.#table, [day, scope, key], owner);
  }

  /** A function that removes up to `limit` of a scope's keys; undefined when there are none. */
  removalOf(scope: string, limit: number): ((batch: Batch) => void) | undefined {
    for (const day of this.days()) {
      const range = { start: [day, scope, ''] as DayKey, end: [day, scope, '\x7f'] as DayKey };
      const removal = this.#removal([...this.#table.getKeys({ ...range, limit })]);
      if (removal !== undefined) return removal;
    }
    return undefined;
  }

  /** The same of a day's keys. */
  removalOfDay(day: number, limit: number): ((batch: Batch) => void) | undefined {
    return this.#removal([...this.#table.getKeys({ start: [day, '', ''], end: [day + 1, '', ''], limit })]);
  }

  #removal(keys: readonly DayKey[]): ((batch: Batch) => void) | undefined {
    if (keys.length === 0) return undefined;
    return (batch) => {
      for (const key of keys) batch.remove(this.#table, key);
    };
  }

  /** The days of which there are keys, oldest first. */
  days(): number[] {
    const days: number[] = [];
    for (let from = 0; ; ) {
      const [next] = this.#table.getKeys({ start: [from, '', ''], limit: 1 });
      if (next === undefined) return days;
      days.push(next[0]);
      from = next[0] + 1;
    }
  }
}

/** The day of a time in milliseconds since the epoch. */
export function dayOf(now: number): number {
  return Math.floor(now / DAY_MS);
}
