/** `dhaavak sessions prune`: what of transcripts is to go by a rule, and has it go. */
import type { Client } from '../../client/client.ts';
import type { Replies, RequestData } from '../../protocol/messages.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { CliError, EXIT } from '../exit.ts';
import { eachSession, type SessionFilter } from '../session-requests.ts';
import { table } from '../table.ts';
import { printable } from '../terminal.ts';

interface PruneFlags extends ClientFlags, SessionFilter {
  dryRun?: true;
  yes?: true;
  json?: true;
  days?: string;
  entries?: string;
  bytes?: string;
}

type Pruned = Replies['session.prune'];
type Limits = Pick<RequestData<'session.prune'>, 'days' | 'entriesMax' | 'bytesMax'>;

/** Sessions that are asked about at a time. */
const AT_ONCE = 8;
/** Looking through a large transcript takes its time. */
const TIMEOUT_MS = 3_600_000;

/** Prints a row for each session of which something goes, and the sum. Returns the exit code. */
export async function prune(key: string | undefined, flags: PruneFlags): Promise<number> {
  const { dryRun = false, yes, json, days, entries, bytes, agent, type, channel, ...where } = flags;
  const limits: Limits = {
    ...numberFlag('days', 'days', days),
    ...numberFlag('entries', 'entriesMax', entries),
    ...numberFlag('bytes', 'bytesMax', bytes),
  };
  if (!dryRun && !yes && Object.keys(limits).length > 0) {
    throw new CliError('What goes is gone for good: see it with --dry-run, then add --yes', EXIT.usage);
  }
  const filter = Object.fromEntries(
    Object.entries({ agent, type, channel }).filter(([, value]) => value !== undefined),
  );
  const { client } = await connectToGateway(where);
  await using _ = client;
  const ask = (session: string) =>
    client.request('session.prune', { session, dryRun, ...limits }, { timeoutMs: TIMEOUT_MS });
  const gone: Pruned[] = [];
  for await (const pruned of all(client, key, filter, ask)) if (pruned.turns > 0) gone.push(pruned);
  const total = totalOf(gone);
  if (json) console.log(JSON.stringify({ dryRun, sessions: gone, total }));
  else console.log(printable(told(gone, total, dryRun)));
  return EXIT.ok;
}

async function* all(
  client: Client,
  key: string | undefined,
  filter: SessionFilter,
  ask: (session: string) => Promise<Pruned>,
): AsyncGenerator<Pruned> {
  if (key !== undefined) {
    yield await ask(key);
    return;
  }
  let asked: Promise<Pruned>[] = [];
  for await (const { id } of eachSession(client, filter)) {
    asked.push(ask(id));
    if (asked.length < AT_ONCE) continue;
    yield* await Promise.all(asked);
    asked = [];
  }
  yield* await Promise.all(asked);
}

function numberFlag<K extends keyof Limits>(flag: string, key: K, value: string | undefined): { [key in K]?: number } {
  if (value === undefined) return {};
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) {
    throw new CliError(`--${flag} ${value} is not a whole number from 1 up`, EXIT.usage);
  }
  return { [key]: number } as { [key in K]?: number };
}

function totalOf(gone: readonly Pruned[]) {
  const sum = (field: 'turns' | 'entries' | 'images' | 'bytes') => gone.reduce((all, one) => all + one[field], 0);
  return {
    sessions: gone.length,
    turns: sum('turns'),
    entries: sum('entries'),
    images: sum('images'),
    bytes: sum('bytes'),
  };
}

function told(gone: readonly Pruned[], total: ReturnType<typeof totalOf>, dryRun: boolean): string {
  if (gone.length === 0) return dryRun ? 'Nothing would go.' : 'There was nothing to remove.';
  const rows = gone.map(({ session, turns, entries, bytes, oldest, newest }) => [
    session,
    String(turns),
    String(entries),
    String(bytes),
    dayOf(oldest),
    dayOf(newest),
  ]);
  const { sessions, turns, entries, images, bytes } = total;
  const sum = `${turns} turns, ${entries} entries and ${images} images of ${sessions} sessions, ${bytes} bytes,`;
  return [
    ...table([['session', 'turns', 'entries', 'bytes', 'oldest', 'newest'], ...rows]),
    `${sum} ${dryRun ? 'would go. Nothing was changed.' : 'are gone.'}`,
  ].join('\n');
}

function dayOf(at: number | null): string {
  return at === null ? '?' : new Date(at).toISOString().slice(0, 10);
}
