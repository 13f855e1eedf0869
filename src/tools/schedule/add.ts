import { z } from 'zod';
import { Timing } from '../../../actors/schedule/timing.ts';
import { isSubAgent } from '../../../actors/session/kin.ts';
import { MISSED_RUNS } from '../../protocol/vocabulary.ts';
import type { ScheduleRecord } from '../../storage/schedules.ts';
import { callKey, chatOf, type SessionDesk } from '../sessions/desk.ts';
import { defineTool, type Tool } from '../tool.ts';

/** In Unicode code points. */
const TEXT_LENGTH_MAX = 4_000;
/** How far ahead one may be due, in milliseconds: five years. */
const AHEAD_MS_MAX = 5 * 366 * 24 * 3_600_000;

const input = z
  .strictObject({
    text: z.string().min(1).max(TEXT_LENGTH_MAX).describe('What you are told when it is due, in your own words.'),
    cron: z.string().min(9).max(128).optional().describe('Five fields: minute hour day month weekday. "0 9 * * 1-5".'),
    timeZone: z
      .string()
      .max(64)
      .optional()
      .describe('Of cron: such as "Europe/Berlin". Without it that of the gateway.'),
    at: z.string().max(40).optional().describe('Once, at this time: "2026-12-01T09:00:00+01:00".'),
    inSeconds: z.int().min(1).optional().describe('Once, so long from now.'),
    missed: z
      .enum(MISSED_RUNS)
      .default('once')
      .describe('What happens after a time at which the gateway did not run: one message for all of them, or nothing.'),
  })
  .refine(({ cron, at, inSeconds }) => [cron, at, inSeconds].filter((one) => one !== undefined).length === 1, {
    message: 'give exactly one of cron, at and inSeconds',
  });

type Input = z.output<typeof input>;

/** `schedule.add`: a message to this session, later or again and again. */
export function scheduleAdd(desk: SessionDesk): Tool {
  const { config, now, schedules, store } = desk;
  return defineTool<Input>({
    name: 'schedule.add',
    group: 'schedule',
    description:
      'Sets a reminder for yourself: when it is due you are told its text in this session, and your answer goes to the chat the session belongs to. Once, or again and again by cron.',
    input,
    risk: 'safe',
    safeToRepeat: true,
    returns: '{ schedule: string; next: string; timeZone?: string } | string',
    async handler(given, context) {
      const { caller } = context;
      if (isSubAgent(caller.session)) {
        throw new Error(
          'a sub-agent has no schedules, since it is gone when its task is done: report what is to be done',
        );
      }
      const used = callKey(context, given);
      const scope = `schedule:${caller.session}`;
      const id = used.slice(0, 16);
      const before = store.keys.owner(scope, used, now());
      if (before !== undefined) return `The schedule ${id} is set.`;
      const origin = chatOf(store, caller);
      const record: ScheduleRecord = {
        schedule: id,
        session: caller.session,
        text: given.text,
        ...(await timesOf(given, now(), config.tools.schedule.intervalMinMs)),
        missed: given.missed,
        fired: 0,
        createdAt: now(),
        plannedAt: now(),
        ...(origin === undefined ? {} : { origin }),
      };
      await schedules.add(record, (batch) => {
        store.keys.put(batch, scope, used, { message: id, seq: 0 }, record.createdAt);
      });
      return { schedule: id, next: new Date(record.next).toISOString(), timeZone: record.timeZone };
    },
  });
}

/** Throws an Error for a model. */
async function timesOf(
  { cron, timeZone, at, inSeconds }: Input,
  now: number,
  intervalMinMs: number,
): Promise<Pick<ScheduleRecord, 'cron' | 'timeZone' | 'next'>> {
  if (cron === undefined) return { next: onceAt(at, inSeconds, now) };
  const times = { cron, timeZone: timeZone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone };
  const timing = await Timing.load();
  timing.check(times, now, intervalMinMs);
  const next = timing.next(times, now);
  if (next === undefined) throw new Error(`"${cron}" is never due`);
  return { ...times, next };
}

function onceAt(at: string | undefined, inSeconds: number | undefined, now: number): number {
  const time = at === undefined ? now + (inSeconds ?? 0) * 1_000 : timeOf(at);
  if (time <= now) throw new Error(`${at} is past: it is ${new Date(now).toISOString()} now`);
  if (time > now + AHEAD_MS_MAX) throw new Error('that is more than five years from now');
  return time;
}

function timeOf(at: string): number {
  const time = /T.*(Z|[+-]\d\d:?\d\d)$/i.test(at) ? Date.parse(at) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  throw new Error(
    `"${at}" is no time: write it with its offset, such as 2026-12-01T09:00:00+01:00 or 2026-12-01T08:00:00Z`,
  );
}
