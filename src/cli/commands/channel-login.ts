/** `dhaavak channels login …`: pairs an account with a phone, by QR codes in the terminal. */
import { styleText } from 'node:util';
import type { Client } from '../../client/client.ts';
import type { ChannelStatus } from '../../protocol/messages.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { CliError, EXIT } from '../exit.ts';
import { printable, printableLine } from '../terminal.ts';
import { nameOf } from './channels.ts';

const REASON_LENGTH_MAX = 320;

interface Printer {
  code(code: string): void;
  /** Something that is not the end. */
  status(status: ChannelStatus): void;
}

/**
 * Shows codes until the account is ready or gives up, and starts one again that has given up before. Returns the exit code.
 * Ctrl-C ends the command and leaves the account as it is.
 */
export async function login(name: string, { json, ...flags }: ClientFlags & { json?: true }): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const [channel = '', account = 'default'] = name.split('/');
  // Only admins are told codes: whoever is none learns it now, and does not wait.
  await client.request('pairing.list', { channel });
  const before = (await client.request('channel.list', {})).channels.find(
    (one) => one.channel === channel && one.account === account,
  );
  if (before === undefined)
    throw new CliError(`Dhaavak: no account ${channel}/${account} is configured and on`, EXIT.failed);
  if (isDown(before)) await client.request('channel.restart', { channel, account });
  const last = await followed(client, before, json ? JSON_LINES : await terminalPrinter());
  if (json) console.log(JSON.stringify({ channel: last }));
  else if (last.state === 'ready') console.log(`${nameOf(last)} is ready.`);
  if (last.state === 'ready') return EXIT.ok;
  throw new CliError(sentence(last), EXIT.failed);
}

/** How the account is when it is ready or has given up. Throws a CliError when the gateway goes away. */
async function followed(client: Client, { channel, account }: ChannelStatus, print: Printer): Promise<ChannelStatus> {
  const last = Promise.withResolvers<ChannelStatus>();
  let told: string | undefined;
  const isMeant = (one: { channel: string; account: string }) => one.channel === channel && one.account === account;
  const update = (status: ChannelStatus): void => {
    if (!isMeant(status)) return;
    if (status.state === 'ready' || isDown(status)) last.resolve(status);
    else if (sentence(status) !== told) print.status(status);
    told = sentence(status);
  };
  client.on('channel.update', (data) => update(data.channel));
  client.on('channel.qr', (data) => {
    if (isMeant(data) && data.code !== null) print.code(data.code);
  });
  for (const status of (await client.request('channel.list', { watch: true })).channels) update(status);
  const gone = client.closed.then(() => {
    throw new CliError('The gateway closed the connection.', EXIT.unreachable);
  });
  return Promise.race([last.promise, gone]);
}

const JSON_LINES: Printer = {
  code: (code) => console.log(JSON.stringify({ code })),
  status: () => {},
};

async function terminalPrinter(): Promise<Printer> {
  const { renderUnicodeCompact } = await import('uqr');
  return {
    code(code) {
      const lines = renderUnicodeCompact(code, { border: 2 }).split('\n');
      const width = lines[0]?.length ?? 0;
      const { columns = width } = process.stdout;
      if (columns < width)
        console.error(`The code is ${width} columns wide and the terminal ${columns}: make it wider.`);
      // The light squares are drawn: whatever the terminal's colours are, they must be the lighter ones.
      const drawn = lines.map((line) => styleText(['whiteBright', 'bgBlack'], line, { stream: process.stdout }));
      console.log(['Scan this code with the phone; the next one takes its place:', ...drawn].join('\n'));
    },
    status: (status) => console.log(sentence(status)),
  };
}

function isDown({ state }: ChannelStatus): boolean {
  return state === 'logged-out' || state === 'stopped';
}

function sentence(status: ChannelStatus): string {
  const { state, reason } = status;
  return printable(
    `${nameOf(status)} is ${state}${reason === null ? '' : `: ${printableLine(reason, REASON_LENGTH_MAX)}`}`,
  );
}
