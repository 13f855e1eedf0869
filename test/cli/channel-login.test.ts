/**
 * Goal: an operator pairs an account with a phone from the terminal. Method: the command as a real process, with a scripted
 * gateway for every way it can go, and once with WhatsApp's library and a local WhatsApp whose phone scans what is printed.
 */
import { renderUnicodeCompact } from 'uqr';
import { expect, onTestFinished, test } from 'vitest';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { ChannelStatus } from '../../src/protocol/messages.ts';
import { gatewayProcess } from '../support/gateway.ts';
import { type Handler, type ScriptedGateway, scriptedGateway } from '../support/scripted-gateway.ts';
import { holds } from '../support/wait.ts';
import { trustingEnvironment } from '../support/whatsapp-server/certificate.ts';
import { WhatsAppServer } from '../support/whatsapp-server/server.ts';
import { type CliProcess, runCli, spawnCli } from './processes.ts';

const CODES = ['2@first+code/of=,the,phone', '2@second+code/of=,the,phone'] as const;

function status(state: ChannelStatus['state'], reason: string | null = null, account = 'default'): ChannelStatus {
  const counts = { lastInbound: null, received: 0, sent: 0, failed: 0, unknown: 0, waiting: 0 };
  return { channel: 'whatsapp', account, state, reason, since: 1, ...counts };
}

/** A gateway with accounts that are like this to begin with. */
async function gatewayWith(accounts: ChannelStatus[], more: Record<string, Handler> = {}): Promise<ScriptedGateway> {
  return scriptedGateway({
    'pairing.list': () => ({ pending: [] }),
    'channel.list': () => ({ channels: accounts, undelivered: [] }),
    'channel.restart': ({ account }) => {
      const index = accounts.findIndex((one) => one.account === account);
      accounts[index] = status('connecting', null, String(account));
      return { channel: accounts[index] };
    },
    ...more,
  });
}

/** The command, as soon as it watches. */
async function login({ url, token, requests }: ScriptedGateway, ...args: string[]): Promise<CliProcess> {
  const command = spawnCli(['channels', 'login', ...args, '--url', url, '--token', token]);
  await holds(() => requests.some(({ type, data }) => type === 'channel.list' && data.watch === true));
  return command;
}

test('every code is drawn, until the account is ready', async () => {
  const gateway = await gatewayWith([status('connecting', 'it waits for its QR code to be scanned')]);
  const command = await login(gateway, 'whatsapp');
  const send = (code: string | null, account = 'default') =>
    gateway.send('channel.qr', { channel: 'whatsapp', account, code });
  send('2@of another account', 'work');
  for (const code of CODES) {
    send(code);
    await command.shows(new RegExp(renderUnicodeCompact(code, { border: 2 }).split('\n')[10]!));
    send(null);
  }
  gateway.send('channel.update', { channel: status('logged-out', null, 'work') });
  gateway.send('channel.update', { channel: status('connecting', 'the device is linked\u001b[2J, and logs in') });
  gateway.send('channel.update', { channel: status('ready') });
  const { exitCode, stdout, stderr } = await command.finished;
  expect([exitCode, stderr]).toEqual([0, '']);
  for (const code of CODES) expect(stdout).toContain(renderUnicodeCompact(code, { border: 2 }));
  expect(stdout.match(/Scan this code/g)).toHaveLength(2);
  expect(stdout).toContain('whatsapp is connecting: the device is linked, and logs in\n');
  expect(stdout).toMatch(/\nwhatsapp is ready\.\n$/);
  expect(gateway.requests.some(({ type }) => type === 'channel.restart')).toBe(false);
});

test('an account that gave up is started again, and that it gives up again is a failure', async () => {
  const gateway = await gatewayWith([status('logged-out', 'nobody scanned the QR code', 'work')]);
  const command = await login(gateway, 'whatsapp/work', '--json');
  gateway.send('channel.qr', { channel: 'whatsapp', account: 'work', code: CODES[0] });
  const last = status('logged-out', 'nobody scanned the QR code', 'work');
  gateway.send('channel.update', { channel: last });
  const { exitCode, stdout, stderr } = await command.finished;
  expect(
    stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line)),
  ).toEqual([{ code: CODES[0] }, { channel: last }]);
  expect([exitCode, stderr]).toEqual([1, 'whatsapp/work is logged-out: nobody scanned the QR code\n']);
  expect(gateway.requests.filter(({ type }) => type === 'channel.restart')).toHaveLength(1);
});

test('what is ready already, not there, not allowed or gone is said', async () => {
  const ready = await gatewayWith([status('ready')]);
  const run = async ({ url, token }: ScriptedGateway, name = 'whatsapp') => {
    const { exitCode, stdout, stderr } = await runCli(['channels', 'login', name, '--url', url, '--token', token]);
    return [exitCode, stdout + stderr];
  };
  expect(await run(ready)).toEqual([0, 'whatsapp is ready.\n']);
  expect(await run(ready, 'whatsapp/work')).toEqual([1, 'Dhaavak: no account whatsapp/work is configured and on\n']);
  const forbidden = () => {
    throw new DhaavakError('forbidden', 'pairing.list needs the scope admin');
  };
  expect(await run(await gatewayWith([status('connecting')], { 'pairing.list': forbidden }))).toEqual([
    1,
    'Dhaavak: pairing.list needs the scope admin\n',
  ]);
  const gateway = await gatewayWith([status('connecting')]);
  const command = await login(gateway, 'whatsapp');
  gateway.close(1001);
  expect(await command.finished).toMatchObject({ exitCode: 3, stderr: 'The gateway closed the connection.\n' });
});

test('WhatsApp is paired by the code that is printed', async () => {
  const server = await WhatsAppServer.start();
  onTestFinished(() => server.close());
  const channels = { whatsapp: { default: { serverUrl: server.url } } };
  const gateway = await gatewayProcess({ config: { channels }, env: trustingEnvironment() });
  const flags = ['--url', gateway.url, '--token', gateway.token];
  const command = spawnCli(['channels', 'login', 'whatsapp', '--json', ...flags]);
  const shown = await command.shows(/\{"code":.*\}\n/);
  server.scan(JSON.parse(/\{"code":.*\}/.exec(shown)![0]).code);
  const { exitCode, stdout } = await command.finished;
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/"state":"ready"/);
  await gateway.stop();
});
