/**
 * Goal: each time a schedule is due comes to one message, whatever the clock, the process and the session do (row 32, "no
 * double cron"). Method: the scheduler over a real store and real sessions, with a clock that only the test moves.
 */
import fc from 'fast-check';
import { pino } from 'pino';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Scheduler, type SchedulerParts } from '../../../actors/schedule/scheduler.ts';
import { Timing } from '../../../actors/schedule/timing.ts';
import type { ScheduleRecord } from '../../../src/storage/schedules.ts';
import { Store } from '../../../src/storage/store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { newId, sessionSystem } from '../../support/session-system.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { holds } from '../../support/wait.ts';

const SESSION = 'agent:main:main';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A clock whose wall can jump: timers go on as they would have. */
class JumpingClock extends ManualClock {
  offset = 0;

  override now(): number {
    return super.now() + this.offset;
  }
}

// The library is loaded with the first schedule that is due, which takes longer than the turns a test waits for.
beforeAll(() => Timing.load());

async function open() {
  const store = new Store(await tempFolder());
  const { system, session } = sessionSystem({ store, config: { sessions: { mailboxMax: 10_000 } } });
  system.pause(); // what is told counts, not what is answered
  const clock = new JumpingClock();
  onTestFinished(async () => {
    await system.drain(0);
    await store.close();
  });
  let scheduler: Scheduler | undefined;
  const start = async (more: Partial<SchedulerParts> = {}): Promise<Scheduler> => {
    scheduler?.stop();
    const limits = { perSessionMax: 20, totalMax: 100 };
    const log = pino({ level: 'silent' });
    scheduler = new Scheduler({ store, clock, session, isOurs: () => true, newId, limits, log, ...more });
    await scheduler.start();
    return scheduler;
  };
  /** The times at which a schedule was told to be due. */
  const told = (): string[] =>
    store
      .entriesAfter(SESSION, 0)
      .filter(({ source }) => source?.type === 'schedule')
      .map(({ text }) => /was due at ([\d-]+T[\d:.]+Z)/.exec(text)?.[1] ?? '');
  /** Lets time pass a minute at a time: what is given to sessions takes real turns of the event loop. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= MINUTE) {
      await clock.advance(Math.min(left, MINUTE));
      await settled();
    }
  };
  const settled = async (): Promise<void> => {
    await store.journal.settled();
    await clock.advance(0);
    await store.journal.settled();
    await clock.settle();
  };
  return { store, clock, session, start, told, pass, settled };
}

function record(clock: ManualClock, more: Partial<ScheduleRecord> = {}): ScheduleRecord {
  const now = clock.now();
  return {
    schedule: newId(),
    session: SESSION,
    text: 'wake up',
    next: now + HOUR,
    missed: 'once',
    fired: 0,
    createdAt: now,
    plannedAt: now,
    ...more,
  };
}

/** One that is due every full hour. */
async function hourly(clock: ManualClock, more: Partial<ScheduleRecord> = {}): Promise<ScheduleRecord> {
  const times = { cron: '0 * * * *', timeZone: 'UTC' };
  const next = (await Timing.load()).next(times, clock.now());
  return record(clock, { ...times, ...(next !== undefined && { next }), ...more });
}

describe('a schedule', () => {
  it('that is due once is told once, and is gone', async () => {
    const { clock, pass, start, store, told } = await open();
    const one = record(clock, { next: clock.now() + 90_000 });
    await (await start()).add(one);
    await pass(MINUTE);
    expect(told()).toEqual([]);
    await pass(MINUTE);
    expect(told()).toEqual([new Date(one.next).toISOString()]);
    expect(store.schedules.of(SESSION)).toEqual([]);
    await pass(2 * HOUR);
    expect(told()).toHaveLength(1);
  });

  it('of a cron expression is told at each of its times', async () => {
    const { clock, pass, start, told } = await open();
    const one = await hourly(clock);
    await (await start()).add(one);
    await pass(3 * HOUR);
    expect(told()).toEqual([0, 1, 2].map((n) => new Date(one.next + n * HOUR).toISOString()));
  });

  it('does not come twice when the clock is set back, and goes on when it is put right', async () => {
    const { clock, pass, start, told } = await open();
    await (await start()).add(await hourly(clock));
    await pass(HOUR + 5 * MINUTE);
    const before = told();
    clock.offset -= 2 * HOUR;
    await pass(HOUR);
    expect(told()).toEqual(before);
    clock.offset += 2 * HOUR;
    await pass(2 * HOUR);
    expect(new Set(told()).size).toBe(told().length);
    expect(told().length).toBeGreaterThan(before.length);
  });

  it('is not lost to a clock that was years ahead for a while', async () => {
    const { clock, pass, start, told } = await open();
    await (await start()).add(await hourly(clock));
    const years = 3 * 365 * 24 * HOUR;
    clock.offset += years;
    await pass(MINUTE);
    expect(told()).toHaveLength(1); // what it seems to have missed
    clock.offset -= years;
    await pass(3 * HOUR);
    expect(told().length).toBeGreaterThanOrEqual(3);
    expect(new Set(told()).size).toBe(told().length);
  });

  it.each([
    ['once', 1],
    ['skip', 0],
  ] as const)('missed many times is told by its rule: %s', async (missed, times) => {
    const { clock, pass, settled, start, told } = await open();
    const scheduler = await start();
    await scheduler.add(await hourly(clock, { missed }));
    scheduler.stop();
    clock.offset += 10 * HOUR; // the gateway did not run
    await start();
    await settled();
    await holds(() => told().length === times);
    await pass(HOUR);
    expect(told()).toHaveLength(times + 1);
  });

  it('is told by no other life of the shard again, whenever the one before ended', async () => {
    const { clock, settled, start, store, told } = await open();
    const one = await hourly(clock);
    const scheduler = await start();
    await scheduler.add(one);
    await clock.advance(one.next - clock.now());
    await start(); // while the message is on its way
    await settled();
    await start();
    await settled();
    await holds(() => told().length > 0);
    expect(told()).toEqual([new Date(one.next).toISOString()]);
    expect(store.schedules.of(SESSION)[0]).toMatchObject({ fired: 1, lastDue: one.next });
  });

  it('waits for a session that takes nothing now, and is then told once', async () => {
    const { clock, pass, session, start, told } = await open();
    let refusals = 3;
    const scheduler = await start({
      session: (key) => {
        if (refusals-- > 0) throw new Error('busy');
        return session(key);
      },
    });
    await scheduler.add(await hourly(clock));
    await pass(HOUR + 2 * MINUTE);
    expect(refusals).toBeLessThan(0);
    expect(told()).toHaveLength(1);
  });

  it('is bounded: so many of a session, so many of all', async () => {
    const { clock, start } = await open();
    const scheduler = await start({ limits: { perSessionMax: 2, totalMax: 3 } });
    await scheduler.add(record(clock));
    await scheduler.add(record(clock));
    await expect(scheduler.add(record(clock))).rejects.toThrow('this session has 2 schedules');
    await scheduler.add(record(clock, { session: 'agent:main:dm:api:a' }));
    await expect(scheduler.add(record(clock, { session: 'agent:main:dm:api:b' }))).rejects.toThrow(
      'there are 3 schedules',
    );
  });

  it('is listed page by page, and is not told when it was removed', async () => {
    const { clock, pass, start, told } = await open();
    const scheduler = await start();
    const all = await Promise.all([1, 2, 3].map(async () => hourly(clock)));
    for (const one of all) await scheduler.add(one);
    const first = scheduler.list({ session: SESSION, limit: 2 });
    const second = scheduler.list({ session: SESSION, limit: 2, cursor: first.cursor ?? '' });
    expect([...first.schedules, ...second.schedules].map(({ schedule }) => schedule)).toEqual(
      all.map(({ schedule }) => schedule),
    );
    expect(second.cursor).toBeUndefined();
    for (const { schedule } of all) await scheduler.remove(SESSION, schedule);
    await expect(scheduler.remove(SESSION, 'nowhere')).rejects.toThrow('has no schedule');
    await pass(2 * HOUR);
    expect(told()).toEqual([]);
  });

  it('is told at most once for each time it is due, whatever jumps, passes and ends', async () => {
    const step = fc.oneof(
      fc.record({ pass: fc.integer({ min: 1, max: 90 }) }),
      fc.record({ jump: fc.integer({ min: -5 * 60, max: 5 * 60 }) }),
      fc.constant({ restart: true }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.constantFrom('once', 'skip'), async (steps, missed) => {
        const { clock, pass, settled, start, store, told } = await open();
        await (await start()).add(await hourly(clock, { missed: missed as 'once' }));
        for (const one of steps) {
          if ('pass' in one) await pass(one.pass * MINUTE);
          else if ('jump' in one) clock.offset += one.jump * MINUTE;
          else await start();
          await settled();
        }
        const times = told();
        expect(new Set(times).size).toBe(times.length);
        expect(store.schedules.of(SESSION)).toHaveLength(1);
      }),
      { numRuns: 25 },
    );
  }, 60_000);
});

describe('cron expressions', () => {
  it('are refused when they are none, are never due, or are due too often, with what to write instead', async () => {
    const timing = await Timing.load();
    const now = Date.UTC(2026, 0, 1);
    const check = (cron: string, timeZone = 'UTC', least = MINUTE) => timing.check({ cron, timeZone }, now, least);
    expect(() => check('every day')).toThrow('is no cron expression');
    expect(() => check('* * * * * *')).toThrow('five fields');
    expect(() => check('0 0 31 2 *')).toThrow('there is no such day');
    expect(() => check('*/5 * * * *', 'UTC', 10 * MINUTE)).toThrow('more often than every 600 seconds');
    expect(() => check('0 9 * * *', 'Mars/Olympus')).toThrow('is not an IANA time zone');
    expect(() => check('0 0 29 2 *')).not.toThrow();
    expect(() => check('0 9 * * 1-5', 'Europe/Berlin', 12 * HOUR)).not.toThrow();
  });

  it('mean the time of their zone, over a change to summer time and back', async () => {
    const timing = await Timing.load();
    const nine = { cron: '0 9 * * *', timeZone: 'Europe/Berlin' };
    const next = (from: string) => new Date(timing.next(nine, Date.parse(from)) ?? 0).toISOString();
    expect(next('2026-03-28T00:00Z')).toBe('2026-03-28T08:00:00.000Z');
    expect(next('2026-03-29T00:00Z')).toBe('2026-03-29T07:00:00.000Z');
    expect(next('2026-10-25T00:00Z')).toBe('2026-10-25T08:00:00.000Z');
  });
});
