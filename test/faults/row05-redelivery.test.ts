/**
 * Row 5: a platform delivers the same update again. Bar: exactly one turn, five times at once as well as after a restart.
 * Method: the channel of docs/extending.md in a real process that is killed, and somebody who says everything again;
 * test/end-to-end/idempotency.test.ts does the same to the keys of clients.
 */
import { expect, it } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from '../support/line-channel.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/wait.ts';
import type { WireClient } from '../support/wire-client.ts';

const KITCHEN = 'agent:main:dm:line:kitchen';

async function said(client: WireClient, session: string) {
  const { entries } = await client.ask('session.history', { session });
  return entries.filter(({ role }) => role === 'user').map(({ text }) => text);
}

it('row 5: an update that is delivered again is one turn: five times at once, again later, and after a restart', async () => {
  const port = await freePort();
  const home = await tempFolder();
  const config = { channels: { custom: { line: lineConfig(await writeLineChannel(home), port) } } };
  const first = await gatewayProcess({ home, config });
  const lines = await Promise.all(Array.from({ length: 5 }, () => Line.open(port)));
  for (const line of lines) line.say('kitchen ada#42: hello');
  for (const line of lines) await line.heard(/^ok 42$/);
  await Promise.any(lines.map((line) => line.heard(/^kitchen bot: /)));
  lines[0]!.say('kitchen ada#42: hello');
  await until(5_000, async () => lines[0]!.lines.filter((line) => line === 'ok 42').length === 2 || undefined, 'ok');
  await first.kill();

  const second = await gatewayProcess({ home, config });
  const line = await Line.open(port);
  line.say('kitchen ada#42: hello');
  await line.heard(/^ok 42$/);
  line.say('kitchen ada#43: and now?');
  await line.heard(/^kitchen bot: /);
  const client = await second.connect();
  expect(await said(client, KITCHEN)).toEqual(['hello', 'and now?']);
  const { entries } = await client.ask('session.history', { session: KITCHEN });
  expect(entries.filter(({ role }) => role === 'assistant')).toHaveLength(2);
});

it('row 5: it is one turn also where it was joined with another, and comes again alone after a restart', async () => {
  const [home, port] = [await tempFolder(), await freePort()];
  const account = lineConfig(await writeLineChannel(home), port, { debounceMs: 300 });
  const config = { channels: { custom: { line: account } } };
  const first = await gatewayProcess({ home, config });
  const before = await Line.open(port);
  before.say('kitchen ada#1: one');
  before.say('kitchen ada#2: two');
  await before.heard(/^kitchen bot: /);
  await first.kill();
  const second = await gatewayProcess({ home, config });
  const line = await Line.open(port);
  line.say('kitchen ada#2: two');
  await line.heard(/^ok 2$/);
  const client = await second.connect();
  expect(await said(client, KITCHEN)).toEqual(['one\ntwo']);
});
