/** `dhaavak allow …`: the lists of users and groups of channel accounts, beside those of the configuration. */
import type { GrantInfo } from '../../protocol/messages.ts';
import { GRANT_KINDS, LIST_KINDS } from '../../protocol/vocabulary.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { CliError, EXIT } from '../exit.ts';
import { listGrants } from '../grant-requests.ts';
import { table } from '../table.ts';
import { printable, printableLine } from '../terminal.ts';

interface AllowFlags extends ClientFlags {
  json?: true;
  account?: string;
}

const CELL_LENGTH_MAX = 64;

/** Prints who and what was let in. Returns the exit code. */
export async function list({
  json,
  channel,
  account,
  kind,
  ...flags
}: AllowFlags & { channel?: string; kind?: string }): Promise<number> {
  const filter = {
    ...(channel === undefined ? {} : { channel }),
    ...(account === undefined ? {} : { account }),
    ...(kind === undefined ? {} : { kind: oneOf(GRANT_KINDS, kind, '--kind') }),
  };
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const grants = await listGrants(client, filter);
  if (json) console.log(JSON.stringify({ grants }));
  else console.log(grants.length === 0 ? 'No entries.' : printable(rows(grants).join('\n')));
  return EXIT.ok;
}

/** Adds an entry to a list. Returns the exit code. */
export function add(channel: string, kind: string, peer: string, flags: AllowFlags): Promise<number> {
  return change('allow.add', channel, kind, peer, flags, 'is on the list of');
}

/** Takes an entry off a list. Returns the exit code. */
export function remove(channel: string, kind: string, peer: string, flags: AllowFlags): Promise<number> {
  return change('allow.remove', channel, kind, peer, flags, 'is no longer on the list of');
}

async function change(
  type: 'allow.add' | 'allow.remove',
  channel: string,
  kind: string,
  peer: string,
  { json, account, ...flags }: AllowFlags,
  what: string,
): Promise<number> {
  const list = oneOf(LIST_KINDS, kind, 'the kind of an entry');
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const data = { channel, kind: list, peer, ...(account === undefined ? {} : { account }) };
  const { grant } = await client.request(type, data);
  const sentence = `The ${grant.kind} ${grant.peer} ${what} ${grant.channel}, account ${grant.account}.`;
  console.log(json ? JSON.stringify({ grant }) : printable(sentence));
  return EXIT.ok;
}

function oneOf<T extends string>(known: readonly T[], word: string, what: string): T {
  const found = known.find((one) => one === word);
  if (found !== undefined) return found;
  throw new CliError(`${what} is one of ${known.join(', ')}, not ${word}`, EXIT.usage);
}

function rows(grants: readonly GrantInfo[]): string[] {
  const cells = grants.map(({ channel, account, kind, peer, name = '', grantedAt }) => [
    channel,
    account,
    kind,
    printableLine(peer, Number.POSITIVE_INFINITY), // one that is cut short is of no use
    printableLine(name, CELL_LENGTH_MAX),
    new Date(grantedAt).toISOString(),
  ]);
  return table([['channel', 'account', 'kind', 'who', 'name', 'since'], ...cells]);
}
