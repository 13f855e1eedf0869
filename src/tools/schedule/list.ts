import { z } from 'zod';
import type { SessionDesk } from '../sessions/desk.ts';
import { defineTool, type Tool } from '../tool.ts';

/** Of a text in the list, in UTF-16 code units. */
const TEXT_LENGTH_SHOWN = 300;

/** `schedule.list`: the schedules of this session. */
export function scheduleList({ store }: SessionDesk): Tool {
  return defineTool({
    name: 'schedule.list',
    group: 'schedule',
    description: 'The schedules of this session: when each is due next, and what it says.',
    input: z.strictObject({}),
    risk: 'safe',
    safeToRepeat: true,
    returns:
      '{ schedules: { schedule: string; next: string; text: string; cron?: string; timeZone?: string; missed?: "once" | "skip"; fired?: number }[] }',
    handler: (_, { caller }) => ({
      schedules: store.schedules.of(caller.session).map(({ schedule, text, cron, timeZone, next, missed, fired }) => ({
        schedule,
        ...(cron === undefined ? {} : { cron, timeZone, missed, fired }),
        next: new Date(next).toISOString(),
        text: text.length > TEXT_LENGTH_SHOWN ? `${text.slice(0, TEXT_LENGTH_SHOWN)} […]` : text,
      })),
    }),
  });
}
