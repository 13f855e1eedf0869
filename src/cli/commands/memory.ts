/** `dhaavak memory …`: what agents remember. */
import type { Client } from '../../client/client.ts';
import type { FactInfo, GatewayStatus, MemoryResult } from '../../protocol/messages.ts';
import { MEMORY_KINDS, REACHES } from '../../protocol/vocabulary.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { CliError, EXIT } from '../exit.ts';
import { firstOf, limitOf } from '../limit.ts';
import { table } from '../table.ts';
import { printable, printableLine } from '../terminal.ts';

interface Flags extends ClientFlags {
  json?: true;
  agent?: string;
}

interface SearchFlags extends Flags {
  session?: string;
  kind?: string[];
  channel?: string;
  sender?: string;
  after?: string;
  before?: string;
  limit?: string;
}

const CELL_LENGTH_MAX = 64;
const REASON_LENGTH_MAX = 80;
const RESULTS = 10;

/** Prints what was found, the best first. Returns the exit code. */
export async function search(query: string, flags: SearchFlags): Promise<number> {
  const { json, agent, session, kind, channel, sender, after, before, limit, ...connection } = flags;
  const filter = {
    ...of({ agent, session, channel, sender }),
    ...(kind !== undefined && { kinds: kind.map((one) => oneOf(MEMORY_KINDS, one, '--kind')) }),
    ...(after !== undefined && { after: timeOf('--after', after) }),
    ...(before !== undefined && { before: timeOf('--before', before) }),
    limit: limit === undefined ? RESULTS : limitOf(limit),
  };
  const { client } = await connectToGateway(connection);
  await using _ = client;
  const { results } = await client.request('memory.search', { query, ...filter });
  if (json) console.log(JSON.stringify({ results }));
  else console.log(results.length === 0 ? 'Nothing was found.' : printable(results.map(shown).join('\n\n')));
  return EXIT.ok;
}

/** Prints a row for each fact. Returns the exit code. */
export async function facts({ json, agent, limit, ...flags }: Flags & { limit?: string }): Promise<number> {
  const limitNumber = limitOf(limit);
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const found = await firstOf(all(client, agent), limitNumber);
  if (json) console.log(JSON.stringify({ facts: found }));
  else console.log(found.length === 0 ? 'No facts.' : printable(rows(found).join('\n')));
  return EXIT.ok;
}

/** Prints how the memory of each agent is. Returns the exit code. */
export async function status({ json, ...flags }: ClientFlags & { json?: true }): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const { agents } = await client.request('memory.status', {});
  console.log(json ? JSON.stringify({ agents }) : printable(memoryRows(agents).join('\n')));
  return EXIT.ok;
}

/** Has what was made of the transcripts thrown away and made anew. Returns the exit code. */
export async function rebuild(agent: string | undefined, { json, ...flags }: ClientFlags & { json?: true }) {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const reply = await client.request('memory.rebuild', agent === undefined ? {} : { agent });
  const text = `The memory of ${reply.agents.join(', ')} is being made anew: dhaavak memory status shows how far it is.`;
  console.log(json ? JSON.stringify(reply) : printable(text));
  return EXIT.ok;
}

/** Saves a fact and prints its id. Returns the exit code. */
export async function save(text: string, flags: Flags & { session?: string; reach?: string }): Promise<number> {
  const { json, agent, session, reach, ...connection } = flags;
  const asked = reach === undefined ? {} : { reach: oneOf(REACHES, reach, '--reach') };
  const { client } = await connectToGateway(connection);
  await using _ = client;
  const reply = await client.request('memory.save', { text, ...of({ agent, session }), ...asked });
  const { fact } = reply.fact;
  console.log(json ? JSON.stringify(reply) : `${reply.known ? 'It was saved already' : 'It is saved'} as ${fact}.`);
  return EXIT.ok;
}

/** Forgets a fact; one that is not there is a failure. Returns the exit code. */
export async function forget(fact: string, { json, agent, ...flags }: Flags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const reply = await client.request('memory.forget', { fact, ...of({ agent }) });
  if (json) console.log(JSON.stringify(reply));
  else console.log(printable(reply.forgotten ? `The fact ${fact} is forgotten.` : `There is no fact ${fact}.`));
  return reply.forgotten ? EXIT.ok : EXIT.failed;
}

async function* all(client: Client, agent: string | undefined): AsyncGenerator<FactInfo, void> {
  for (let cursor: string | undefined; ; ) {
    const page = await client.request('memory.list', of({ agent, cursor }));
    yield* page.facts;
    cursor = page.cursor;
    if (cursor === undefined) return;
  }
}

/** Without what was not given. */
function of<T extends Record<string, string | undefined>>(fields: T): { [Field in keyof T]?: string } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Field in keyof T]?: string;
  };
}

function shown({ id, kind, sender, session, text, timestamp, trusted }: MemoryResult): string {
  const doubt = trusted ? '' : ', from outside';
  return `${new Date(timestamp).toISOString()}  ${kind} by ${sender} in ${session}${doubt}\n${id}\n  ${text.trim()}`;
}

function rows(found: readonly FactInfo[]): string[] {
  const cells = found.map(({ fact, owner, reach, text, timestamp, trusted }) => [
    fact,
    new Date(timestamp).toISOString(),
    printableLine(owner, CELL_LENGTH_MAX),
    trusted ? reach : `${reach}, asked for only`,
    printableLine(text, CELL_LENGTH_MAX),
  ]);
  return table([['fact', 'saved', 'owner', 'recalled by', 'text'], ...cells]);
}

/** A row for the memory of each agent. */
export function memoryRows(agents: GatewayStatus['memory']): string[] {
  const cells = agents.map(({ agent, backend, entries, pending, embedder, trouble }) => [
    agent,
    backend,
    String(entries),
    String(pending),
    embedder,
    printableLine(trouble ?? '', REASON_LENGTH_MAX),
  ]);
  return table([['memory of', 'backend', 'entries', 'pending', 'embedder', 'trouble'], ...cells]);
}

function oneOf<T extends string>(words: readonly T[], said: string, flag: string): T {
  const word = words.find((one) => one === said);
  if (word !== undefined) return word;
  throw new CliError(`${flag} ${said} is none of ${words.join(', ')}`, EXIT.usage);
}

/** Milliseconds since the epoch. */
function timeOf(flag: string, said: string): number {
  const time = Date.parse(said);
  if (!Number.isNaN(time)) return time;
  throw new CliError(`${flag} ${said} is no time: write it as 2026-11-01 or 2026-11-01T09:00:00Z`, EXIT.usage);
}
