/** Goal: an account that fails is alone in that, and says why. Method: as in `line.test.ts`. */
import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { localGateway } from '../support/gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from '../support/line-channel.ts';
import { becomes, channelState, lineGateway } from '../support/line-gateway.ts';
import { tempFolder } from '../support/temp-folder.ts';

describe('an account that fails', () => {
  /** What somebody says decides how the adapter fails. */
  const fails = (source: string) =>
    source.replace(
      'events.alive();',
      `events.alive();
          if (line.endsWith(': throw')) return setTimeout(() => { throw new Error('thrown in a timer'); });
          if (line.endsWith(': reject')) return void Promise.reject(new Error('rejected into nothing'));
          if (line.endsWith(': die')) process.exit(3);`,
    );

  it.each(['throw', 'reject'])('by a %s into nothing is started again, and no other notices', async (how) => {
    const [first, second] = [await freePort(), await freePort()];
    const folder = await tempFolder();
    const [bad, good] = [await writeLineChannel(folder, fails), await writeLineChannel(folder)];
    const gateway = await localGateway({
      channels: { custom: { line: lineConfig(bad, first), wire: lineConfig(good, second) } },
    });
    const client = await gateway.connect();
    await client.ask('channel.list', { watch: true });
    const [line, wire] = [await Line.open(first), await Line.open(second)];
    wire.say('hall ada#1: hello');
    await wire.heard(/^hall bot: /);
    const before = await channelState(client, 'wire');
    line.say(`kitchen ada#1: ${how}`);
    await client.when(() =>
      client.frames.find(({ type, data }) => {
        const { channel, reason } = (data?.channel ?? {}) as { channel?: string; reason?: string };
        return type === 'channel.update' && channel === 'line' && reason?.includes('crashed');
      }),
    );
    await becomes(client, 'line', 'ready');
    const again = await Line.open(first);
    again.say('kitchen ada#2: hello');
    await again.heard(/^kitchen bot: /);
    wire.say('hall ada#2: hello again');
    await wire.heard(/^ok 2$/);
    expect(await channelState(client, 'wire')).toMatchObject({ state: 'ready', since: before?.since, received: 2 });
  });

  it('by ending its thread costs channels only, and they come back', async () => {
    const { client, line, port } = await lineGateway(fails);
    line.say('kitchen ada#1: die');
    const down = await becomes(client, 'line', 'connecting');
    expect(down.reason).toContain('thread of the channels ended');
    const { message } = await client.ask('message.send', { text: 'hello' });
    expect((await client.runEnd(message)).data.status).toBe('ok');
    await becomes(client, 'line', 'ready');
    const again = await Line.open(port);
    again.say('kitchen ada#2: hello');
    await again.heard(/^kitchen bot: /);
  });

  it('by wrong credentials says so once and is not tried again, until an operator wants it', async () => {
    const home = await tempFolder();
    const refused = (source: string) =>
      source.replace(
        'async start(events) {',
        `async start(events) {
      const { appendFileSync, existsSync } = await import('node:fs');
      appendFileSync('${home}/starts', 'x');
      if (!existsSync('${home}/good')) throw Object.assign(new Error('the platform refuses the token'), { kind: 'unauthorized' });`,
      );
    const port = await freePort();
    const module = await writeLineChannel(home, refused);
    const gateway = await localGateway({ channels: { custom: { line: lineConfig(module, port) } } });
    const client = await gateway.connect();
    expect(await becomes(client, 'line', 'logged-out')).toMatchObject({ reason: 'the platform refuses the token' });
    expect(await client.refusal('channel.send', { to: 'line:kitchen', text: 'x' })).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('logged-out'),
    });
    expect(await readFile(`${home}/starts`, 'utf8')).toBe('x');
    await writeFile(`${home}/good`, '');
    await client.ask('channel.restart', { channel: 'line' });
    await becomes(client, 'line', 'ready');
    expect(await readFile(`${home}/starts`, 'utf8')).toBe('xx');
  });

  it('by having no adapter says what is missing; the others run', async () => {
    const [first, second] = [await freePort(), await freePort()];
    const module = await writeLineChannel(await tempFolder());
    const gateway = await localGateway({
      channels: { custom: { line: lineConfig('/nowhere/adapter.mjs', first), wire: lineConfig(module, second) } },
    });
    const client = await gateway.connect();
    expect((await becomes(client, 'line', 'stopped')).reason).toContain('/nowhere/adapter.mjs');
    await becomes(client, 'wire', 'ready');
  });
});
