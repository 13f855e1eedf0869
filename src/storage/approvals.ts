import { setImmediate } from 'node:timers';
import type { Database } from 'lmdb';
import type { ApprovalInfo } from '../protocol/messages.ts';
import type { PassedTime } from '../runtime/passed-time.ts';
import type { Batch } from './journal.ts';

/** A tool call that an operator was asked about. Without a decision it waits, or did when its process ended. */
export type ApprovalRecord = ApprovalInfo;
export type Decision = NonNullable<ApprovalRecord['decision']>;

type WaitingKey = [session: string, approval: string];

/** Decisions that are kept, of all sessions, and for how long, in milliseconds; past either the oldest goes. */
const KEPT_MAX = 10_000;
const KEPT_MS = 90 * 24 * 3_600_000;
/** Records moved or removed in one commit. */
const BATCH_MAX = 100;
/** How long after its time a call that nobody decided is taken for one whose process ended, in milliseconds. */
const ABANDONED_MS = 24 * 3_600_000;
/** What becomes of it. */
const NOBODY: Omit<Decision, 'at'> = { allowed: false, reason: 'the gateway stopped before anybody had decided' };

/**
 * What operators were asked, and what they said. A call that waits stands in one table, so that what comes after a crash
 * can tell that it was not made; what was decided is in the other, by age, for whoever wants to know who did.
 */
export class ApprovalTable {
  readonly #waiting: Database<ApprovalRecord, WaitingKey>;
  readonly #decided: Database<ApprovalRecord, string>;

  constructor(waiting: Database<ApprovalRecord, WaitingKey>, decided: Database<ApprovalRecord, string>) {
    this.#waiting = waiting;
    this.#decided = decided;
  }

  /** Keeps a call that waits. What waits of an earlier attempt at the same call is over: nobody can answer it any more. */
  ask(batch: Batch, record: ApprovalRecord): void {
    for (const earlier of this.waitingOf(record.session)) {
      if (isSameCall(earlier, record)) this.decide(batch, earlier, { ...NOBODY, at: record.askedAt });
    }
    batch.put(this.#waiting, [record.session, record.approval], record);
  }

  /** Moves a call to those that are decided. */
  decide(batch: Batch, record: ApprovalRecord, decision: Decision): void {
    batch.remove(this.#waiting, [record.session, record.approval]);
    batch.put(this.#decided, record.approval, { ...record, decision });
  }

  /** The call of a session that waits, or was decided, under this id. */
  find(session: string, approval: string): ApprovalRecord | undefined {
    const record = this.#waiting.get([session, approval]) ?? this.#decided.get(approval);
    return record?.session === session ? record : undefined;
  }

  /** Calls of one session that wait or did when their process ended, oldest first. */
  waitingOf(session: string): ApprovalRecord[] {
    const range = { start: [session, ''] as WaitingKey, end: [session, '\x7f'] as WaitingKey };
    return whole(this.#waiting.getRange(range));
  }

  /** Calls of all sessions that wait and whose time is not up at `now`, oldest first. */
  waiting(now: number): ApprovalRecord[] {
    return whole(this.#waiting.getRange({}))
      .filter(({ expiresAt }) => expiresAt > now)
      .sort((a, b) => (a.approval < b.approval ? -1 : 1));
  }

  /** Decided calls asked before that with the id `before` (undefined: the newest), newest first. */
  *decided(before: string | undefined): Generator<ApprovalRecord, void> {
    for (const { key, value } of this.#decided.getRange({ start: before ?? '\x7f', reverse: true })) {
      if (value !== undefined && key !== before) yield value;
    }
  }

  /**
   * The decided calls of a session that still say what they were given. All are looked at, in slices, between which others
   * get their turn; `alive` says whether the table may still be read.
   */
  async decidedOf(session: string, alive: () => boolean): Promise<ApprovalRecord[]> {
    const found: ApprovalRecord[] = [];
    for (let start = ''; alive(); ) {
      const slice = [...this.#decided.getRange({ start, limit: BATCH_MAX })];
      for (const { value } of slice) if (value?.session === session && value.input !== null) found.push(value);
      if (slice.length < BATCH_MAX) break;
      start = `${slice.at(-1)?.key}\x01`;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return found;
  }

  /** Takes out of a decided call what it was given, which is deleted: who decided on what tool, and when, stays. */
  strip(batch: Batch, { bound: _, ...record }: ApprovalRecord): void {
    batch.put(this.#decided, record.approval, { ...record, input: null });
  }

  /**
   * What removes the calls of a session that wait. What was decided stays, as a record of what operators did, but for what
   * the calls were given: see {@link strip}.
   */
  removalOf(session: string): (batch: Batch) => void {
    const keys = this.waitingOf(session).map(({ approval }) => approval);
    return (batch) => {
      for (const approval of keys) batch.remove(this.#waiting, [session, approval]);
    };
  }

  /**
   * What ends calls whose time is up and that nobody waits for any more, and removes decisions that are too old or too
   * many: undefined when there are none. Time that has passed counts, not a clock that was set.
   */
  tidying(passed: PassedTime): ((batch: Batch) => void) | undefined {
    const now = passed.look();
    const over = whole(this.#waiting.getRange({}))
      .filter(({ expiresAt }) => passed.since(expiresAt) > ABANDONED_MS)
      .slice(0, BATCH_MAX);
    const { entryCount } = this.#decided.getStats() as { entryCount: number };
    const tooMany = entryCount - KEPT_MAX;
    const old: string[] = [];
    for (const { key, value } of this.#decided.getRange({ limit: BATCH_MAX })) {
      const isOld = value === undefined || passed.since(value.askedAt) > KEPT_MS;
      if (isOld || old.length < tooMany) old.push(key);
    }
    if (over.length + old.length === 0) return undefined;
    return (batch) => {
      for (const record of over) this.decide(batch, record, { ...NOBODY, at: now });
      for (const approval of old) batch.remove(this.#decided, approval);
    };
  }
}

/** Whether it is the same call of the same answer. */
function isSameCall(one: ApprovalRecord, other: Pick<ApprovalRecord, 'message' | 'call' | 'name'>): boolean {
  return one.message === other.message && one.call === other.call && one.name === other.name;
}

/** The values that can be read. */
function whole(range: Iterable<{ value: ApprovalRecord | undefined }>): ApprovalRecord[] {
  return Array.from(range, ({ value }) => value).filter((value) => value !== undefined);
}
