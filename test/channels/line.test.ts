/**
 * Goal: the channel of docs/extending.md works as it stands there, and what every channel is promised holds for it: one
 * turn for each message, no answer lost or doubled unseen, an account that fails alone. Method: the page's own code, run by
 * the gateway, and somebody on the line.
 */
import { describe, expect, it } from 'vitest';
import { gatewayProcess, localGateway } from '../support/gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from '../support/line-channel.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/wait.ts';

const KITCHEN = 'agent:main:dm:line:kitchen';

describe('a custom channel', () => {
  it('takes messages in and sends answers out', async () => {
    const port = await freePort();
    const module = await writeLineChannel(await tempFolder());
    const gateway = await localGateway({ channels: { custom: { line: lineConfig(module, port) } } });
    const line = await Line.open(port);
    line.say('kitchen ada#1: what is 2+3*4');
    await line.heard(/^ok 1$/);
    expect(await line.heard(/^kitchen bot: /)).toBe('kitchen bot: "2+3*4 = 14"');
    const client = await gateway.connect();
    const { entries } = await client.ask('session.history', { session: KITCHEN });
    expect(entries.map(({ role, text }) => [role, text])).toEqual([
      ['user', 'what is 2+3*4'],
      ['assistant', '2+3*4 = 14'],
    ]);
    expect(entries[0]?.origin).toEqual({
      channel: 'line',
      account: 'default',
      chat: { id: 'kitchen', type: 'dm' },
      message: '1',
      sender: { id: 'ada', name: 'ada' },
    });
    const { channels } = await client.ask('status');
    expect(channels).toMatchObject([
      { channel: 'line', account: 'default', state: 'ready', received: 1, sent: 1, failed: 0, unknown: 0, waiting: 0 },
    ]);
  });
});
