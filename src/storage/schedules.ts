import type { Database } from 'lmdb';
import type { MessageOrigin, ScheduleInfo } from '../protocol/messages.ts';
import type { Batch } from './journal.ts';

/** A schedule as it is kept. */
export interface ScheduleRecord extends ScheduleInfo {
  /** When `next` was worked out: a clock that shows less has been set back since. */
  plannedAt: number;
  /** The newest time at which it was due and something came of it; it never is again. */
  lastDue?: number;
  /** The chat its answers go to. */
  origin?: MessageOrigin;
}

export type ScheduleKey = [session: string, schedule: string];

/** Behind every id of a session. */
const LAST = '\x7f';

/** The table of schedules. Only the shard of a session writes its schedules. */
export class ScheduleTable {
  readonly #table: Database<ScheduleRecord, ScheduleKey>;

  constructor(table: Database<ScheduleRecord, ScheduleKey>) {
    this.#table = table;
  }

  get(session: string, schedule: string): ScheduleRecord | undefined {
    return this.#table.get([session, schedule]);
  }

  put(batch: Batch, record: ScheduleRecord): void {
    batch.put(this.#table, [record.session, record.schedule], record);
  }

  remove(batch: Batch, session: string, schedule: string): void {
    batch.remove(this.#table, [session, schedule]);
  }

  /** Those of one session, the oldest first. */
  of(session: string): ScheduleRecord[] {
    const range = this.#table.getRange({ start: [session, ''], end: [session, LAST] });
    return Array.from(range, ({ value }) => value).filter((value) => value !== undefined); // undefined: damaged
  }

  /** Of all sessions. */
  get size(): number {
    this.#table.resetReadTxn();
    return (this.#table.getStats() as { entryCount: number }).entryCount;
  }

  /** Up to `limit` of them after `after`, in the order of their sessions. Also what another thread wrote a moment ago. */
  page(after: ScheduleKey | undefined, limit: number): { key: ScheduleKey; value: ScheduleRecord | undefined }[] {
    this.#table.resetReadTxn();
    const start = after === undefined ? undefined : { start: [after[0], `${after[1]}\x01`] as ScheduleKey };
    return [...this.#table.getRange({ ...start, limit })];
  }
}
