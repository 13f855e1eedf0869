/**
 * Goal: the channel of docs/extending.md works as it stands there, and what every channel is promised holds for it: one
 * turn for each message, no answer lost or doubled unseen, an account that fails alone. Method: the page's own code, run by
 * the gateway, and somebody on the line. Where a platform must misbehave, a line of the page is changed.
 */
import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { localGateway } from '../support/gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from '../support/line-channel.ts';
import { counts, KITCHEN, lineGateway, said, sending } from '../support/line-gateway.ts';
import { STALLS, scriptedModel } from '../support/model.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/wait.ts';

describe('a custom channel', () => {
  it('takes messages in and sends answers out', async () => {
    const { client, line } = await lineGateway();
    line.say('kitchen ada#1: hello');
    await line.heard(/^ok 1$/);
    const answer = await line.heard(/^kitchen bot: /);
    const { entries } = await client.ask('session.history', { session: KITCHEN });
    expect(entries.map(({ role, text }) => [role, text])).toEqual([
      ['user', 'hello'],
      ['assistant', JSON.parse(answer.replace('kitchen bot: ', ''))],
    ]);
    expect(entries[0]?.origin).toEqual({
      channel: 'line',
      account: 'default',
      chat: { id: 'kitchen', type: 'dm' },
      message: '1',
      sender: { id: 'ada', name: 'ada' },
    });
    await counts(client, { received: 1, sent: 1, failed: 0, unknown: 0, waiting: 0 });
    const { channels } = await client.ask('status');
    expect(channels).toMatchObject([{ channel: 'line', account: 'default', state: 'ready', sent: 1 }]);
  });

  it('cuts a long answer into messages the platform takes, in order', async () => {
    const { models } = await scriptedModel({ text: ['abc '.repeat(30)] });
    const { line } = await lineGateway((source) => source.replace('textLengthMax: 2_000', 'textLengthMax: 50'), {
      models,
    });
    line.say('kitchen ada#1: hello');
    await until(10_000, async () => line.lines.filter((one) => one.includes('bot: ')).length === 3 || undefined, 'all');
    const pieces = line.lines.filter((one) => one.includes('bot: ')).map((one) => JSON.parse(one.slice(13)) as string);
    expect(pieces.every((piece) => piece.length <= 50)).toBe(true);
    expect(pieces.join('').replace(/\s+/g, '')).toBe('abc'.repeat(30));
  });

  it('has one session for a person of two channels', async () => {
    const [first, second] = [await freePort(), await freePort()];
    const module = await writeLineChannel(await tempFolder());
    const gateway = await localGateway({
      channels: { custom: { line: lineConfig(module, first), wire: lineConfig(module, second) } },
      identities: [{ name: 'ada', peers: ['line:ada', 'wire:lovelace'] }],
    });
    const [line, wire] = [await Line.open(first), await Line.open(second)];
    line.say('kitchen ada#1: hello');
    await line.heard(/^kitchen bot: /);
    wire.say('hall lovelace#1: again');
    await wire.heard(/^hall bot: /);
    line.say('kitchen grace#2: not me');
    await line.heard(/^ok 2/);
    const client = await gateway.connect();
    expect(await said(client, 'agent:main:dm:person:ada')).toEqual(['hello', 'again']);
    expect(await said(client, KITCHEN)).toEqual(['not me']);
  });

  it('gives somebody unknown a code and nothing else, where nobody said otherwise', async () => {
    const { client, line } = await lineGateway(undefined, { account: { dm: 'pairing' } });
    line.say('kitchen ada#1: hello');
    await line.heard(/^ok 1$/);
    expect(await line.heard(/bot: /)).toMatch(/dhaavak pairing approve line [A-Z2-9]{8}/);
    expect(await client.refusal('session.get', { session: KITCHEN })).toMatchObject({ code: 'not_found' });
  });

  it('tells a group’s agent who speaks, and what was said there before', async () => {
    const { client, line } = await lineGateway((source) =>
      source
        .replace("chat: { id, type: 'dm' }", "chat: { id, type: 'group' }")
        .replace('addressed: true', "addressed: text.startsWith('bot')"),
    );
    line.say('kitchen ada#1: the soup is ready');
    await line.heard(/^ok 1$/);
    line.say('kitchen grace#2: bot, what is ready?');
    await line.heard(/^kitchen bot: /);
    const [text] = await said(client, 'agent:main:group:line:kitchen');
    expect(text).toContain('ada: the soup is ready');
    expect(text).toMatch(/grace: bot, what is ready\?$/);
  });

  it('needs nothing of the channels where no account is on: no thread is started', async () => {
    const workers: Worker[] = [];
    const listener = (worker: Worker) => void workers.push(worker);
    process.on('worker', listener);
    const off = { module: '/nowhere.mjs', enabled: false };
    const gateway = await localGateway({ shards: { count: 1 }, channels: { custom: { line: off } } });
    process.off('worker', listener);
    const client = await gateway.connect();
    expect((await client.ask('channel.list')).channels).toEqual([]);
    expect(await client.refusal('channel.send', { to: 'line:1', text: 'x' })).toMatchObject({ code: 'not_found' });
    expect(workers).toHaveLength(1);
  });
});

describe('chat commands', () => {
  it('are answered at once, while a run stalls, and end it', async () => {
    const { models } = await scriptedModel(STALLS);
    const { client, line } = await lineGateway(undefined, { models });
    line.say('kitchen ada#1: tell me a story');
    await line.heard(/^ok 1$/);
    line.say('kitchen ada#2: /status');
    expect(await line.heard(/bot: /)).toContain('now: 1 running, 0 waiting');
    line.say('kitchen ada#3: /stop');
    expect(await line.heard(/Stopped/)).toBe('kitchen bot: "Stopped: 1 message."');
    expect(await said(client, KITCHEN)).toEqual(['tell me a story']);
  });

  it('that change things are for admins in a group; others may ask', async () => {
    const { line } = await lineGateway((source) => source.replace("type: 'dm'", "type: 'group'"), {
      account: { admins: ['ada'] },
    });
    line.say('kitchen grace#1: /new');
    expect(await line.heard(/bot: /)).toBe('kitchen bot: "Only an admin may use /new here."');
    line.say('kitchen grace#2: /usage');
    await line.heard(/Tokens used/);
    line.say('kitchen ada#3: /new');
    await line.heard(/A new conversation/);
  });
});

describe('channel.send', () => {
  it('sends to a chat, once for a key, and is answered when it is there', async () => {
    const { client, line } = await lineGateway();
    line.say('kitchen ada#1: /help');
    await line.heard(/bot: /);
    const sent = await client.ask('channel.send', { to: 'line:kitchen', text: 'dinner', idempotencyKey: 'd1' });
    expect(sent).toEqual({ channel: 'line', account: 'default', chat: 'kitchen', messages: [expect.any(String)] });
    expect(await client.ask('channel.send', { to: 'line:kitchen', text: 'dinner', idempotencyKey: 'd1' })).toEqual({
      ...sent,
      messages: [],
      duplicate: true,
    });
    await line.heard(/^kitchen bot: "dinner"$/);
    expect(line.lines.filter((one) => one.includes('dinner'))).toHaveLength(1);
  });

  it('says what went wrong', async () => {
    const { client } = await lineGateway(sending(`throw Object.assign(new Error('blocked'), { kind: 'gone' });`));
    expect(await client.refusal('channel.send', { to: 'line:kitchen', text: 'x' })).toMatchObject({
      code: 'delivery_failed',
      message: 'it was not sent: blocked',
    });
    expect(await client.refusal('channel.send', { to: 'kitchen', text: 'x' })).toMatchObject({ param: 'data.to' });
    expect(await client.refusal('channel.send', { to: 'telegram:1', text: 'x' })).toMatchObject({ code: 'not_found' });
  });
});
