/**
 * Goal: an operator sees from a terminal how the accounts of channels are, starts one again, and sends to a chat. Method: real
 * processes, and the line channel of docs/extending.md.
 */
import { expect, test } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from '../support/line-channel.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { runCli } from './processes.ts';

test('accounts are listed and started again, and messages sent to chats', async () => {
  const [home, port] = [await tempFolder(), await freePort()];
  const refuses = (source: string) =>
    source.replace(
      'async send({ chat, text }) {',
      `async send({ chat, text }) {
      if (text === 'no') throw Object.assign(new Error('not here'), { kind: 'rejected' });`,
    );
  const config = { channels: { custom: { line: lineConfig(await writeLineChannel(home, refuses), port) } } };
  const gateway = await gatewayProcess({ home, config });
  const run = (...args: string[]) => runCli([...args, '--url', gateway.url, '--token', gateway.token]);
  const line = await Line.open(port);
  line.say('kitchen ada#1: hello');
  await line.heard(/bot: /);

  const sent = await run('send', '--to', 'line:kitchen', 'dinner', 'is', 'ready');
  expect([sent.exitCode, sent.stdout]).toEqual([0, 'sent to line:kitchen\n']);
  expect(await line.heard(/dinner/)).toBe('kitchen bot: "dinner is ready"');
  const refused = await run('send', '--to', 'line:kitchen', 'no');
  expect([refused.exitCode, refused.stderr]).toEqual([1, 'Dhaavak: it was not sent: not here\n']);

  const list = await run('channels', 'list');
  expect(list.exitCode).toBe(0);
  expect(list.stdout).toMatch(/^ {2}line +ready +\S+ \S+ +\S+ \S+ +1 +2 +1 +0 +0$/m);
  expect(list.stdout).toMatch(/^ {2}\S+ \S+ +line +kitchen +failed +not here$/m);
  expect((await run('status')).stdout).toMatch(/^ {2}line +ready/m);

  const restarted = await run('channels', 'restart', 'line');
  expect(restarted.exitCode).toBe(0);
  expect(restarted.stdout).toMatch(/^line is started again and (connecting|ready)\.\n$/);
  const unknown = await run('channels', 'restart', 'telegram');
  expect([unknown.exitCode, unknown.stderr]).toEqual([
    1,
    'Dhaavak: no account telegram/default is configured and on\n',
  ]);
});

test('without channels there is a sentence', async () => {
  const gateway = await gatewayProcess();
  const list = await runCli(['channels', 'list', '--url', gateway.url, '--token', gateway.token]);
  expect(list.stdout).toBe('No account of a channel is configured and on.\n');
});
