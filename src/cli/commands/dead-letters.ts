/** `dhaavak dead-letters …`: the messages that failed for good. */
import type { Client } from '../../client/client.ts';
import type { DeadLetterInfo } from '../../protocol/messages.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { CliError, EXIT } from '../exit.ts';
import { firstOf, limitOf } from '../limit.ts';
import { table } from '../table.ts';
import { printable, printableLine } from '../terminal.ts';

interface Flags extends ClientFlags {
  json?: true;
}

const CELL_LENGTH_MAX = 48;

/** Prints a row for each dead letter. Returns the exit code. */
export async function list({ json, session, limit, ...flags }: Flags & { session?: string; limit?: string }) {
  const limitNumber = limitOf(limit);
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const letters = await firstOf(all(client, session), limitNumber);
  if (json) console.log(JSON.stringify({ letters }));
  else console.log(letters.length === 0 ? 'No dead letters.' : printable(rows(letters).join('\n')));
  return EXIT.ok;
}

/** Prints one of them. Returns the exit code. */
export async function show(message: string, { json, ...flags }: Flags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const letter = await find(client, message);
  if (json) {
    console.log(JSON.stringify({ letter }));
    return EXIT.ok;
  }
  const { text, error, acceptedAt, diedAt, attempts, session } = letter;
  const lines = [
    ['session', session],
    ['accepted', new Date(acceptedAt).toISOString()],
    ['failed', `${new Date(diedAt).toISOString()}, after ${attempts} attempts`],
    ['error', `${error.code}: ${error.message}`],
  ];
  console.log(printable([message, ...table(lines), '', text].join('\n')));
  return EXIT.ok;
}

/** Sends one of them again. Returns the exit code. */
export async function resubmit(message: string, { json, ...flags }: Flags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const { session } = await find(client, message);
  const reply = await client.request('dead-letter.resubmit', { session, message });
  console.log(
    json ? JSON.stringify(reply) : printable(`${message} is message ${reply.resubmitted} of ${session} now.`),
  );
  return EXIT.ok;
}

/** Forgets one of them. Returns the exit code. */
export async function discard(message: string, { json, ...flags }: Flags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const { session } = await find(client, message);
  const reply = await client.request('dead-letter.discard', { session, message });
  console.log(json ? JSON.stringify(reply) : printable(`${message} is forgotten.`));
  return EXIT.ok;
}

async function* all(client: Client, session: string | undefined): AsyncGenerator<DeadLetterInfo, void> {
  const filter = session === undefined ? {} : { session };
  for (let cursor: string | undefined; ; ) {
    const page = await client.request('dead-letter.list', { ...filter, ...(cursor === undefined ? {} : { cursor }) });
    yield* page.letters;
    cursor = page.cursor;
    if (cursor === undefined) return;
  }
}

async function find(client: Client, message: string): Promise<DeadLetterInfo> {
  for await (const letter of all(client, undefined)) if (letter.message === message) return letter;
  throw new CliError(
    `there is no dead letter ${printableLine(message, 64)}: see dhaavak dead-letters list`,
    EXIT.failed,
  );
}

function rows(letters: readonly DeadLetterInfo[]): string[] {
  const cells = letters.map(({ message, session, diedAt, error, text }) => [
    message,
    printableLine(session, Number.POSITIVE_INFINITY), // a key that is cut short is of no use
    new Date(diedAt).toISOString(),
    printableLine(error.code, CELL_LENGTH_MAX),
    printableLine(text, CELL_LENGTH_MAX),
  ]);
  return table([['message', 'session', 'failed', 'error', 'text'], ...cells]);
}
