/** `dhaavak sessions …`: looks at conversations and looks after them. */
import type { HistoryEntry, Session } from '../../protocol/messages.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { CliError, EXIT } from '../exit.ts';
import { historyPages } from '../history-pages.ts';
import { limitOf } from '../limit.ts';
import { listSessions, type SessionFilter } from '../session-requests.ts';
import { table } from '../table.ts';
import { printable, printableJson, printableLine } from '../terminal.ts';

interface SessionFlags extends ClientFlags {
  json?: true;
}

interface ListFlags extends SessionFlags, SessionFilter {
  limit?: string;
}

/** Characters shown before what was found. */
const CONTEXT_LENGTH = 40;
const CELL_LENGTH_MAX = 64;

/** Prints a row for each session. Returns the exit code. */
export async function list({ json, agent, type, channel, limit, ...flags }: ListFlags): Promise<number> {
  const limitNumber = limitOf(limit);
  const filter = Object.fromEntries(
    Object.entries({ agent, type, channel }).filter(([, value]) => value !== undefined),
  );
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const sessions = await listSessions(client, filter, limitNumber);
  if (json) console.log(JSON.stringify({ sessions }));
  else console.log(sessions.length === 0 ? 'No sessions.' : printable(rows(sessions).join('\n')));
  return EXIT.ok;
}

/** Prints one session. Returns the exit code. */
export async function show(key: string, { json, ...flags }: SessionFlags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const { session } = await client.request('session.get', { session: key });
  printSession(session, json);
  return EXIT.ok;
}

/** Begins a conversation anew: the transcript stays, the agent no longer knows of it. Returns the exit code. */
export async function reset(key: string, { json, ...flags }: SessionFlags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const { session } = await client.request('session.reset', { session: key });
  console.log(json ? JSON.stringify({ session }) : printable(`${session.id} begins anew.`));
  return EXIT.ok;
}

/** Deletes a session with its transcript, for good. Returns the exit code. */
export async function remove(key: string, { json, yes, ...flags }: SessionFlags & { yes?: true }): Promise<number> {
  if (!yes) {
    throw new CliError(`Deleting ${key} can't be undone: keep it with dhaavak export, then add --yes`, EXIT.usage);
  }
  const { client } = await connectToGateway(flags);
  await using _ = client;
  await client.request('session.delete', { session: key });
  console.log(json ? JSON.stringify({ session: key, deleted: true }) : printable(`${key} is deleted.`));
  return EXIT.ok;
}

interface SearchFlags extends SessionFlags {
  role?: HistoryEntry['role'];
  since?: string;
  until?: string;
  limit?: string;
}

/** Prints the entries of a session in which `words` stand, oldest first. Returns the exit code. */
export async function search(key: string, words: readonly string[], flags: SearchFlags): Promise<number> {
  const { json, role, since, until, limit, ...where } = flags;
  const limitNumber = limitOf(limit);
  const contains = words.join(' ');
  const times = { ...timeFlag('since', since), ...timeFlag('until', until) };
  const filter = { contains, ...times, ...(role === undefined ? {} : { roles: [role] }) };
  const { client } = await connectToGateway(where);
  await using _ = client;
  const found: HistoryEntry[] = [];
  let damaged = 0;
  for await (const page of historyPages(client, key, filter)) {
    damaged += page.damaged;
    found.push(...page.entries);
    if (found.length >= limitNumber) break;
  }
  const entries = found.slice(0, limitNumber);
  if (json) console.log(printableJson({ session: key, entries, damaged }));
  else for (const entry of entries) console.log(hit(entry, contains));
  if (!json && entries.length === 0) console.log('Nothing was found.');
  if (damaged > 0) console.error(`${damaged} damaged entries were passed over; dhaavak doctor names them.`);
  return EXIT.ok;
}

/** A line with what stands around the first place where it was found. */
function hit({ seq, timestamp, role, text }: HistoryEntry, sought: string): string {
  const at = Math.max(0, text.toLowerCase().indexOf(sought.toLowerCase()) - CONTEXT_LENGTH);
  const shown = printableLine(`${at > 0 ? '…' : ''}${text.slice(at, at + 4 * CONTEXT_LENGTH)}`, 3 * CONTEXT_LENGTH);
  return `${seq}  ${new Date(timestamp).toISOString()}  ${role}  ${shown}`;
}

/** A time as people write it, such as 2026-01-31. */
function timeFlag(name: 'since' | 'until', value: string | undefined): { [key in typeof name]?: number } {
  if (value === undefined) return {};
  const at = Date.parse(value);
  if (Number.isNaN(at) || at < 0) throw new CliError(`--${name} ${value} is no time such as 2026-01-31`, EXIT.usage);
  return { [name]: at };
}

function rows(sessions: readonly Session[]): string[] {
  const cells = sessions.map(({ id, model, tokensUsed, lastActive }) => [
    printableLine(id, Number.POSITIVE_INFINITY), // a key that is cut short is of no use
    printableLine(model ?? '(of the agent)', CELL_LENGTH_MAX),
    String(tokensUsed),
    new Date(lastActive).toISOString(),
  ]);
  return table([['session', 'model', 'tokens', 'last active'], ...cells]);
}

function printSession(session: Session, json: true | undefined): void {
  if (json) {
    console.log(JSON.stringify({ session }));
    return;
  }
  const { id, createdAt, lastActive, ...fields } = session;
  const times = { createdAt: new Date(createdAt).toISOString(), lastActive: new Date(lastActive).toISOString() };
  const lines = Object.entries({ ...fields, ...times }).map(([name, value]) => {
    return [name, typeof value === 'string' ? value : (JSON.stringify(value) ?? '')];
  });
  console.log(printable([id, ...table(lines)].join('\n')));
}
