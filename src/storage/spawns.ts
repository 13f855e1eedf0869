import type { Database } from 'lmdb';
import type { MessageOrigin, Outcome } from '../protocol/messages.ts';
import type { Batch } from './journal.ts';

/** A sub-agent that is at work, or has a report its parent has not got yet. */
export interface SpawnRecord {
  /** The message with its task; '' until that is accepted. */
  task: string;
  /** The parent's message whose run has spawned it. */
  turn: string;
  /** The chat that message came from: where an answer to the report goes. */
  origin?: MessageOrigin;
  hops: number;
  /** It has to go, and nobody wants its report. */
  end?: 'cancel' | 'delete';
  /** How its task has ended. */
  report?: Pick<Outcome, 'status' | 'text'> & { reason?: string };
}

export type SpawnKey = [parent: string, child: string];

/** Behind every key of a session. */
const LAST = '\x7f';

/** The tables of who has spawned whom: those at work, and all whose sessions are kept. Shards of both sides write them. */
export class SpawnTable {
  readonly #working: Database<SpawnRecord, SpawnKey>;
  readonly #kept: Database<number, SpawnKey>;

  constructor(working: Database<SpawnRecord, SpawnKey>, kept: Database<number, SpawnKey>) {
    this.#working = working;
    this.#kept = kept;
  }

  /** As it is on the disk by now, also where another thread has written it a moment ago. */
  get(parent: string, child: string): SpawnRecord | undefined {
    this.#working.resetReadTxn();
    return this.#working.get([parent, child]);
  }

  put(batch: Batch, parent: string, child: string, record: SpawnRecord): void {
    batch.put(this.#working, [parent, child], record);
  }

  /** It has ended, and its parent knows or does not want to. */
  remove(batch: Batch, parent: string, child: string): void {
    batch.remove(this.#working, [parent, child]);
  }

  /** Its session is there from now on, until {@link forget}. `at`: milliseconds since the epoch. */
  keep(batch: Batch, parent: string, child: string, at: number): void {
    batch.put(this.#kept, [parent, child], at);
  }

  forget(batch: Batch, parent: string, child: string): void {
    batch.remove(this.#kept, [parent, child]);
  }

  /** Those of one session that are at work. */
  working(parent: string): { child: string; record: SpawnRecord }[] {
    this.#working.resetReadTxn();
    return this.#list(this.#working.getRange({ start: [parent, ''], end: [parent, LAST] }));
  }

  /** The children of a session whose sessions are kept, at most `limit`. */
  children(parent: string, limit = Number.POSITIVE_INFINITY): { child: string; createdAt: number }[] {
    this.#kept.resetReadTxn();
    const bound = Number.isFinite(limit) ? { limit } : {};
    const range = this.#kept.getRange({ start: [parent, ''], end: [parent, LAST], ...bound });
    return Array.from(range, ({ key, value }) => ({ child: key[1], createdAt: value ?? 0 }));
  }

  /** How many are at work, of all sessions. */
  get size(): number {
    this.#working.resetReadTxn();
    return (this.#working.getStats() as { entryCount: number }).entryCount;
  }

  /** All that are at work. */
  all(): { parent: string; child: string; record: SpawnRecord }[] {
    return Array.from(this.#working.getRange({}), ({ key, value }) => ({
      parent: key[0],
      child: key[1],
      record: value,
    })).filter(({ record }) => record !== undefined); // damaged
  }

  #list(range: Iterable<{ key: SpawnKey; value: SpawnRecord | undefined }>) {
    const found: { child: string; record: SpawnRecord }[] = [];
    for (const { key, value } of range) if (value !== undefined) found.push({ child: key[1], record: value });
    return found;
  }
}
