/** `dhaavak sessions …`: looks at conversations and looks after them. */
import type { Client } from '../../client/client.ts';
import type { HistoryEntry, Session } from '../../protocol/messages.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { CliError, EXIT } from '../exit.ts';
import { limitOf } from '../limit.ts';
import { listSessions, type SessionFilter } from '../session-requests.ts';
import { table } from '../table.ts';
import { printable, printableLine } from '../terminal.ts';

interface SessionFlags extends ClientFlags {
  json?: true;
}

interface ListFlags extends SessionFlags, SessionFilter {
  limit?: string;
}

/** Entries asked for at once. */
const PAGE = 200;
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
    throw new CliError(
      `Deleting ${key} can't be undone: keep it with dhaavak sessions export, then add --yes`,
      EXIT.usage,
    );
  }
  const { client } = await connectToGateway(flags);
  await using _ = client;
  await client.request('session.delete', { session: key });
  console.log(json ? JSON.stringify({ session: key, deleted: true }) : printable(`${key} is deleted.`));
  return EXIT.ok;
}

/** Prints a whole transcript, oldest entry first: JSON Lines, or Markdown to be read. Returns the exit code. */
export async function exportTranscript(
  key: string,
  { markdown, ...flags }: ClientFlags & { markdown?: true },
): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const { session } = await client.request('session.get', { session: key });
  const entries = await transcript(client, key);
  if (markdown) process.stdout.write(printable(document(session, entries)));
  else for (const entry of entries) console.log(JSON.stringify(entry));
  return EXIT.ok;
}

async function transcript(client: Client, session: string): Promise<HistoryEntry[]> {
  const pages: HistoryEntry[][] = [];
  for (let before: number | undefined; ; before = pages.at(-1)?.[0]?.seq) {
    const data = { session, limit: PAGE, ...(before === undefined ? {} : { before }) };
    const { entries, more } = await client.request('session.history', data);
    pages.push(entries);
    if (!more || entries.length === 0) return pages.reverse().flat();
  }
}

function document(session: Session, entries: readonly HistoryEntry[]): string {
  return `${[`# ${session.id}`, ...entries.map(paragraph)].join('\n\n')}\n`;
}

function paragraph(entry: HistoryEntry): string {
  const { role, text, timestamp, status, truncated, toolCalls, toolCall, attachments = [] } = entry;
  const notes = [new Date(timestamp).toISOString(), status, truncated && 'only the beginning'].filter(Boolean);
  const calls = (toolCalls ?? []).map(({ name, input }) => fenced(`${name} ${JSON.stringify(input)}`));
  const body = toolCall ? fenced(text) : text;
  const images = attachments.map(({ mediaType, bytes }) => `[${mediaType}, ${bytes} bytes]`);
  const who = toolCall ? `${role} ${toolCall.name}${toolCall.failed ? ' (failed)' : ''}` : role;
  return [`## ${who} · ${notes.join(' · ')}`, body, ...images, ...calls].filter((part) => part !== '').join('\n\n');
}

/** A block of code whose fence no line of `text` can end. */
function fenced(text: string): string {
  const fence = '`'.repeat(Math.max(3, ...[...text.matchAll(/`+/g)].map(([run]) => run.length + 1)));
  return `${fence}\n${text}\n${fence}`;
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
