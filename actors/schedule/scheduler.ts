/**
 * The schedules of a shard's sessions: when one is due, a message goes into the lane of its session. The commit that accepts
 * the message also says when the schedule is due next (or removes it), so that each time it is due comes to one message,
 * whatever ends in between.
 *
 * Time is that of the wall, which may jump. One timer waits for whatever is due next, and never for longer than
 * {@link LOOK_MS}: a jump forwards is seen that soon. A clock that was set back is known by a record that was written later
 * than now: its next time is worked out again, after the last one that has come to something.
 */
import type { Logger } from 'pino';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { Replies, RequestData } from '../../src/protocol/messages.ts';
import type { Clock, TimerHandle } from '../../src/runtime/clock.ts';
import type { Batch } from '../../src/storage/journal.ts';
import type { ScheduleKey, ScheduleRecord } from '../../src/storage/schedules.ts';
import type { Store } from '../../src/storage/store.ts';
import type { SessionRef } from '../session/requests.ts';
import { DuplicateMessage, newTurn } from '../session/turn.ts';
import { Timing } from './timing.ts';

/** Longest wait before the clock is looked at again, in milliseconds. Far below Node's 24.8 days for a timer. */
const LOOK_MS = 30_000;
/** How late a message may be that still counts as in time. */
const MISSED_AFTER_MS = 120_000;
/** Pause before it is tried again to give a session its message: its mailbox was full, or the disk. */
const RETRY_MS = 5_000;
/** Messages that are given to sessions at the same time. */
const FIRING_MAX = 64;
/** Records read at the start before the event loop gets its turn: about a millisecond. */
const STEP_MAX = 200;
/** Schedules in a page, where the client names no limit, and their text. */
const PAGE = 50;
const PAGE_LENGTH_MAX = 262_144;

export interface SchedulerParts {
  store: Store;
  clock: Clock;
  session(key: string): SessionRef;
  /** Whether it is this shard that sees to the session. */
  isOurs(key: string): boolean;
  newId(): string;
  limits: { perSessionMax: number; totalMax: number };
  log: Logger;
}

/** What is known of a schedule without a look at the disk. */
interface Planned {
  key: ScheduleKey;
  next: number;
  plannedAt: number;
  /** The message of `next` is on its way to its session. */
  firing?: Promise<void>;
  /** It could not be given to its session, and is tried again then. */
  notBefore?: number;
}

export class Scheduler {
  readonly #parts: SchedulerParts;
  readonly #planned = new Map<string, Planned>();
  #timing: Timing | undefined;
  #timer: TimerHandle | undefined;
  /** Messages on their way. */
  #firing = 0;
  #stopped = false;

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
  }

  /** Reads the schedules of this shard's sessions, a few at a time, and goes on with them. */
  async start(): Promise<void> {
    const { clock, isOurs, store } = this.#parts;
    for (let after: ScheduleKey | undefined; !this.#stopped; ) {
      const page = store.schedules.page(after, STEP_MAX);
      for (const { value } of page) if (value !== undefined && isOurs(value.session)) this.#plan(value);
      after = page.at(-1)?.key;
      if (page.length < STEP_MAX) break;
      await new Promise<void>((resolve) => clock.setImmediate(resolve));
    }
    if (this.#planned.size > 0) await this.#look();
  }

  /** Nothing fires any more, and the store is left alone. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#parts.clock.clearTimeout(this.#timer);
  }

  /** Keeps a new one. Throws `busy` where there are too many, `storage_failed`. */
  async add(record: ScheduleRecord, also?: (batch: Batch) => void): Promise<void> {
    const { limits, store } = this.#parts;
    const count = Math.max(this.#countOf(record.session), store.schedules.of(record.session).length);
    if (count >= limits.perSessionMax) {
      throw new DhaavakError('busy', `this session has ${limits.perSessionMax} schedules, the limit: remove one first`);
    }
    if (store.schedules.size >= limits.totalMax) {
      throw new DhaavakError('busy', `there are ${limits.totalMax} schedules, the limit of this gateway`);
    }
    const planned = this.#plan(record); // counts from now on
    try {
      await store.journal.commit((batch) => {
        store.schedules.put(batch, record);
        also?.(batch);
      });
    } catch (error) {
      this.#planned.delete(nameOf(planned.key));
      throw error;
    }
    this.#wait();
  }

  /** Removes one of a session. Throws `not_found`, `storage_failed`. */
  async remove(session: string, schedule: string): Promise<void> {
    const { store } = this.#parts;
    const name = nameOf([session, schedule]);
    // A message on its way would put the record back.
    await this.#planned.get(name)?.firing;
    if (store.schedules.get(session, schedule) === undefined) {
      throw new DhaavakError('not_found', `this session has no schedule ${schedule}`, { param: 'data.schedule' });
    }
    await store.journal.commit((batch) => store.schedules.remove(batch, session, schedule));
    this.#planned.delete(name);
  }

  /** The session was deleted, and with it the records. */
  forget(session: string): void {
    for (const [name, { key }] of this.#planned) if (key[0] === session) this.#planned.delete(name);
  }

  /** One page of them, of all shards. */
  list({ session, limit = PAGE, cursor }: RequestData<'schedule.list'>): Replies['schedule.list'] {
    const { schedules: table } = this.#parts.store;
    const schedules: Replies['schedule.list']['schedules'] = [];
    let after = cursor === undefined ? undefined : keyOf(cursor);
    if (session !== undefined && (after === undefined || after[0] !== session)) after = [session, ''];
    let length = 0;
    for (const { key, value } of table.page(after, limit + 1)) {
      if (session !== undefined && key[0] !== session) break;
      length += value?.text.length ?? 0;
      const isFull = schedules.length === limit || (schedules.length > 0 && length > PAGE_LENGTH_MAX);
      if (isFull) return { schedules, cursor: cursorOf(after as ScheduleKey) };
      after = key;
      if (value !== undefined) schedules.push(infoOf(value));
    }
    return { schedules };
  }

  #countOf(session: string): number {
    let count = 0;
    for (const { key } of this.#planned.values()) if (key[0] === session) count += 1;
    return count;
  }

  #plan({ session, schedule, next, plannedAt }: ScheduleRecord): Planned {
    const planned: Planned = { key: [session, schedule], next, plannedAt };
    this.#planned.set(nameOf(planned.key), planned);
    return planned;
  }

  /** Waits for what is due next. */
  #wait(): void {
    const { clock } = this.#parts;
    if (this.#timer !== undefined) clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#stopped || this.#planned.size === 0) return;
    this.#timer = clock.setTimeout(() => void this.#look(), this.#untilNext());
  }

  #untilNext(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const planned of this.#planned.values()) {
      if (planned.firing === undefined) next = Math.min(next, Math.max(planned.next, planned.notBefore ?? 0));
    }
    return Math.min(Math.max(0, next - this.#parts.clock.now()), LOOK_MS);
  }

  /** Fires what is due. */
  async #look(): Promise<void> {
    const { clock, log } = this.#parts;
    try {
      this.#timing ??= await Timing.load();
    } catch (error) {
      log.error({ error }, 'schedules cannot be worked out');
    }
    if (this.#stopped || this.#timing === undefined) return;
    const now = clock.now();
    for (const planned of [...this.#planned.values()]) {
      if (this.#firing >= FIRING_MAX) return; // the first that is done looks again
      if (planned.firing === undefined && isDue(planned, now)) this.#fire(planned, this.#timing, now);
    }
    this.#wait();
  }

  #fire(planned: Planned, timing: Timing, now: number): void {
    this.#firing += 1;
    planned.firing = this.#see(planned, timing, now)
      .catch((error: unknown) => {
        planned.notBefore = now + RETRY_MS;
        const [session, schedule] = planned.key;
        this.#parts.log.warn({ error, session, schedule }, 'a schedule that is due waits');
      })
      .finally(() => {
        delete planned.firing;
        this.#firing -= 1;
        this.#wait();
      });
  }

  /** Does what is to be done of one at `now`. Throws what its session refuses it with. */
  async #see(planned: Planned, timing: Timing, now: number): Promise<void> {
    const { store } = this.#parts;
    const record = store.schedules.get(...planned.key);
    if (record === undefined) {
      this.#planned.delete(nameOf(planned.key));
      return;
    }
    // As the disk has it: what was written may be newer than what was planned.
    if (record.plannedAt > now) return this.#planAnew(record, timing, now);
    if (record.next > now) {
      this.#plan(record);
      return;
    }
    const after = afterFiring(record, timing, now);
    const write = (batch: Batch): void => {
      if (after === undefined) store.schedules.remove(batch, ...planned.key);
      else store.schedules.put(batch, after);
    };
    const isMissed = now - record.next > MISSED_AFTER_MS;
    if (isMissed && record.missed === 'skip') await store.journal.commit(write);
    else if (!(await this.#tell(record, now, isMissed, write))) {
      this.#parts.log.warn(
        { session: record.session, schedule: record.schedule },
        'a schedule without a session is removed',
      );
      await store.journal.commit((batch) => store.schedules.remove(batch, ...planned.key));
      this.#planned.delete(nameOf(planned.key));
      return;
    }
    if (after === undefined) this.#planned.delete(nameOf(planned.key));
    else this.#plan(after);
  }

  /** Gives the session its message. False: there is no such session. */
  async #tell(record: ScheduleRecord, now: number, isMissed: boolean, write: (batch: Batch) => void): Promise<boolean> {
    const { newId, session, store } = this.#parts;
    const { origin, schedule } = record;
    try {
      await session(record.session).tell({
        ...newTurn(newId(), dueText(record, now, isMissed)),
        idempotencyKey: `schedule:${schedule}:${record.next}`,
        followUp: 'followup',
        source: { type: 'schedule', schedule, hops: 0 },
        origin,
        also: write,
      });
    } catch (error) {
      if (error instanceof DuplicateMessage) await store.journal.commit(write);
      else if (error instanceof DhaavakError && error.code === 'not_found') return false;
      else throw error;
    }
    return true;
  }

  /** The clock was set back since the next time was worked out: there may be one before it. */
  async #planAnew(record: ScheduleRecord, timing: Timing, now: number): Promise<void> {
    const { store } = this.#parts;
    const after = Math.max(now, record.lastDue ?? 0);
    const next = record.cron === undefined ? record.next : timing.next(record as never, after);
    const changed = { ...record, next: next ?? record.next, plannedAt: now };
    await store.journal.commit((batch) => store.schedules.put(batch, changed));
    this.#plan(changed);
  }
}

/** Whether there is something to do: it is due, or the clock was set back since its next time was worked out. */
function isDue({ next, plannedAt, notBefore = 0 }: Planned, now: number): boolean {
  const waits = notBefore > now && notBefore - now <= RETRY_MS;
  return !waits && (next <= now || plannedAt > now);
}

/** The record after the time that is due now; undefined: that was the last. */
function afterFiring(record: ScheduleRecord, timing: Timing, now: number): ScheduleRecord | undefined {
  const { cron, timeZone, next: due, fired } = record;
  if (cron === undefined || timeZone === undefined) return undefined;
  const next = timing.next({ cron, timeZone }, Math.max(now, due));
  return next === undefined
    ? undefined
    : { ...record, next, plannedAt: now, lastDue: due, fired: fired + 1, last: now };
}

/** What the session's agent is told: that nobody is there, and what it had set itself. */
function dueText({ schedule, text, next, cron }: ScheduleRecord, now: number, isMissed: boolean): string {
  const when = new Date(next).toISOString();
  const late = isMissed ? `, missed while the gateway did not run; it is ${new Date(now).toISOString()} now` : '';
  const what = cron === undefined ? 'a one-time schedule' : `the schedule "${cron}"`;
  return `[${what}, ${schedule}, was due at ${when}${late}; no person wrote this]\n${text}`;
}

function infoOf(record: ScheduleRecord): Replies['schedule.list']['schedules'][number] {
  const { plannedAt: _, lastDue: __, origin: ___, ...info } = record;
  return info;
}

function nameOf([session, schedule]: ScheduleKey): string {
  return `${session} ${schedule}`;
}

function cursorOf(key: ScheduleKey): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** Throws `invalid_request`. */
function keyOf(cursor: string): ScheduleKey {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(key) && key.length === 2 && key.every((part) => typeof part === 'string'))
      return key as ScheduleKey;
  } catch {
    // told below
  }
  throw new DhaavakError('invalid_request', 'data.cursor is none of schedule.list', { param: 'data.cursor' });
}
