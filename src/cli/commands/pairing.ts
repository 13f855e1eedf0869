/** `dhaavak pairing …`: who asks to be let in on channels, and who was. */
import type { Applicant, PairingInfo, RequestData } from '../../protocol/messages.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { EXIT } from '../exit.ts';
import { listGrants } from '../grant-requests.ts';
import { table } from '../table.ts';
import { printable, printableLine } from '../terminal.ts';

interface PairingFlags extends ClientFlags {
  json?: true;
}

const CELL_LENGTH_MAX = 64;

/** Prints who waits for an answer, with their codes, and who is paired. Returns the exit code. */
export async function list({ json, channel, ...flags }: PairingFlags & { channel?: string }): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const filter = channel === undefined ? {} : { channel };
  const { pending } = await client.request('pairing.list', filter);
  const paired = await listGrants(client, { ...filter, kind: 'paired' });
  if (json) {
    console.log(JSON.stringify({ pending, paired }));
    return EXIT.ok;
  }
  console.log(pending.length === 0 ? 'Nobody asks to be let in.' : printable(requestRows(pending).join('\n')));
  if (paired.length === 0) return EXIT.ok;
  const people = paired.map(({ peer, name = '', ...grant }) => ({ ...grant, user: peer, name }));
  console.log(printable(['', 'Paired:', ...personRows(people)].join('\n')));
  return EXIT.ok;
}

/** Lets somebody in. Returns the exit code. */
export function approve(channel: string, code: string, flags: PairingFlags): Promise<number> {
  return change('pairing.approve', { channel, code }, flags, (who) => `${who} may talk to the bot now.`);
}

/** Refuses a request. Returns the exit code. */
export function reject(channel: string, code: string, flags: PairingFlags): Promise<number> {
  return change('pairing.reject', { channel, code }, flags, (who) => `${who} was refused.`);
}

/** Takes an approval back. Returns the exit code. */
export function revoke(
  channel: string,
  user: string,
  { account, ...flags }: PairingFlags & { account?: string },
): Promise<number> {
  const data = { channel, user, ...(account === undefined ? {} : { account }) };
  return change('pairing.revoke', data, flags, (who) => `${who} must ask to be let in again.`);
}

async function change<T extends 'pairing.approve' | 'pairing.reject' | 'pairing.revoke'>(
  type: T,
  data: RequestData<T>,
  { json, ...flags }: PairingFlags,
  sentence: (who: string) => string,
): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const person: Applicant = await client.request(type, data);
  const { channel, account, user, name } = person;
  const who = `${printableLine(name, CELL_LENGTH_MAX)} (${user} on ${channel}, account ${account})`;
  console.log(json ? JSON.stringify(person) : printable(sentence(who)));
  return EXIT.ok;
}

function requestRows(pending: readonly PairingInfo[]): string[] {
  const now = Date.now();
  const cells = pending.map((request) => [
    request.code,
    ...personCells(request),
    `${Math.max(1, Math.ceil((request.expiresAt - now) / 60_000))} min`,
  ]);
  return table([['code', ...PERSON_HEAD, 'still good for'], ...cells]);
}

const PERSON_HEAD = ['channel', 'account', 'id', 'name', 'handle'];

function personRows(people: readonly Applicant[]): string[] {
  return table([PERSON_HEAD, ...people.map(personCells)]);
}

function personCells({ channel, account, user, name, username }: Applicant): string[] {
  // An id that is cut short is of no use.
  const id = printableLine(user, Number.POSITIVE_INFINITY);
  return [channel, account, id, printableLine(name, CELL_LENGTH_MAX), printableLine(username ?? '', CELL_LENGTH_MAX)];
}
