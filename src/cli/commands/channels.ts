/** `dhaavak channels …`: how the accounts of channels are. */
import type { ChannelStatus, Undelivered } from '../../protocol/messages.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { EXIT } from '../exit.ts';
import { table } from '../table.ts';
import { printable, printableLine } from '../terminal.ts';

interface ChannelFlags extends ClientFlags {
  json?: true;
}

const CELL_LENGTH_MAX = 80;
const COLUMNS = ['account', 'state', 'since', 'last inbound', 'received', 'sent', 'failed', 'unknown', 'waiting'];

/** Prints how every account is, and what could not be sent. Returns the exit code. */
export async function list({ json, ...flags }: ChannelFlags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const answer = await client.request('channel.list', {});
  if (json) console.log(JSON.stringify(answer));
  else if (answer.channels.length === 0) console.log('No account of a channel is configured and on.');
  else console.log(printable([...channelRows(answer.channels), ...lostRows(answer.undelivered)].join('\n')));
  return EXIT.ok;
}

/** Disconnects an account, `telegram` or `telegram/work`, and connects it anew. Returns the exit code. */
export async function restart(name: string, { json, ...flags }: ChannelFlags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const [channel = '', account] = name.split('/');
  const answer = await client.request('channel.restart', { channel, ...(account === undefined ? {} : { account }) });
  const { state } = answer.channel;
  console.log(json ? JSON.stringify(answer) : `${nameOf(answer.channel)} is started again and ${state}.`);
  return EXIT.ok;
}

/** The accounts as a table, and below it the reasons there are. */
export function channelRows(channels: readonly ChannelStatus[]): string[] {
  const rows = channels.map((one) => {
    const { state, since, lastInbound, received, sent, failed, unknown, waiting } = one;
    const counts = [received, sent, failed, unknown, waiting].map(String);
    return [nameOf(one), state, timeOf(since), lastInbound === null ? '-' : timeOf(lastInbound), ...counts];
  });
  const reasons = channels.flatMap(({ reason, ...one }) =>
    reason === null ? [] : [`  ${nameOf(one)}: ${printableLine(reason, 4 * CELL_LENGTH_MAX)}`],
  );
  return [...table([COLUMNS, ...rows]), ...reasons];
}

function lostRows(undelivered: readonly Undelivered[]): string[] {
  if (undelivered.length === 0) return [];
  const rows = undelivered.map(({ at, chat, status, reason, ...one }) =>
    [timeOf(at), nameOf(one), chat, status, reason].map((cell) => printableLine(cell, CELL_LENGTH_MAX)),
  );
  return [
    '',
    'Answers that could not be sent, or may not have been:',
    ...table([['at', 'account', 'chat', 'status', 'reason'], ...rows]),
  ];
}

function nameOf({ channel, account }: Pick<ChannelStatus, 'channel' | 'account'>): string {
  return account === 'default' ? channel : `${channel}/${account}`;
}

function timeOf(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ');
}
