/** `dhaavak schedules …`: what sessions are told when it is due. */
import type { Client } from '../../client/client.ts';
import type { ScheduleInfo } from '../../protocol/messages.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { EXIT } from '../exit.ts';
import { firstOf, limitOf } from '../limit.ts';
import { table } from '../table.ts';
import { printable, printableLine } from '../terminal.ts';

interface Flags extends ClientFlags {
  json?: true;
}

const CELL_LENGTH_MAX = 48;

/** Prints a row for each schedule. Returns the exit code. */
export async function list({ json, session, limit, ...flags }: Flags & { session?: string; limit?: string }) {
  const limitNumber = limitOf(limit);
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const schedules = await firstOf(all(client, session), limitNumber);
  if (json) console.log(JSON.stringify({ schedules }));
  else console.log(schedules.length === 0 ? 'No schedules.' : printable(rows(schedules).join('\n')));
  return EXIT.ok;
}

/** Removes one of a session. Returns the exit code. */
export async function remove(session: string, schedule: string, { json, ...flags }: Flags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const reply = await client.request('schedule.remove', { session, schedule });
  console.log(json ? JSON.stringify(reply) : printable(`The schedule ${schedule} of ${session} is removed.`));
  return EXIT.ok;
}

async function* all(client: Client, session: string | undefined): AsyncGenerator<ScheduleInfo, void> {
  const filter = session === undefined ? {} : { session };
  for (let cursor: string | undefined; ; ) {
    const page = await client.request('schedule.list', { ...filter, ...(cursor === undefined ? {} : { cursor }) });
    yield* page.schedules;
    cursor = page.cursor;
    if (cursor === undefined) return;
  }
}

function rows(schedules: readonly ScheduleInfo[]): string[] {
  const cells = schedules.map(({ schedule, session, cron, timeZone, next, text }) => [
    schedule,
    printableLine(session, Number.POSITIVE_INFINITY), // a key that is cut short is of no use
    new Date(next).toISOString(),
    cron === undefined ? 'once' : printableLine(`${cron} ${timeZone}`, CELL_LENGTH_MAX),
    printableLine(text, CELL_LENGTH_MAX),
  ]);
  return table([['schedule', 'session', 'next', 'when', 'text'], ...cells]);
}
