import { z } from 'zod';
import { defineTool } from '../tool.ts';

const input = z.strictObject({
  timeZone: z
    .string()
    .max(64)
    .optional()
    .describe('IANA time zone such as "Europe/Berlin"; without it the time zone of the gateway.'),
});

/** `time.now`: a model knows no clock. */
export const timeNow = defineTool({
  name: 'time.now',
  group: 'time',
  description: 'The current date and time, as UTC and as local time of a time zone.',
  input,
  risk: 'safe',
  safeToRepeat: true,
  returns: '{ utc: string; local: string; timeZone: string }',
  handler({ timeZone }) {
    const now = new Date();
    const format = localFormat(timeZone);
    return { utc: now.toISOString(), local: format.format(now), timeZone: format.resolvedOptions().timeZone };
  },
});

function localFormat(timeZone: string | undefined): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'medium', timeZone });
  } catch (cause) {
    throw new Error(`"${timeZone}" is not an IANA time zone; use one such as "Asia/Kolkata" or "UTC"`, { cause });
  }
}
