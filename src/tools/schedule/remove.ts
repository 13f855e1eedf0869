import { z } from 'zod';
import { DhaavakError } from '../../protocol/errors.ts';
import type { SessionDesk } from '../sessions/desk.ts';
import { defineTool, type Tool } from '../tool.ts';

/** `schedule.remove`: one of this session is due no more. */
export function scheduleRemove({ schedules }: SessionDesk): Tool {
  return defineTool({
    name: 'schedule.remove',
    group: 'schedule',
    description: 'Removes a schedule of this session.',
    input: z.strictObject({ schedule: z.string().min(1).max(64).describe('Its id, as schedule.list has it.') }),
    risk: 'safe',
    safeToRepeat: true,
    returns: 'string',
    async handler({ schedule }, { caller }) {
      try {
        await schedules.remove(caller.session, schedule);
      } catch (error) {
        if (!(error instanceof DhaavakError) || error.code !== 'not_found') throw error;
        return `There is no schedule ${schedule} in this session: schedule.list shows those there are.`;
      }
      return `The schedule ${schedule} is removed.`;
    },
  });
}
