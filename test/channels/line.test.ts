/**
 * Goal: the channel of docs/extending.md works as it stands there, and what every channel is promised holds for it: one
 * turn for each message, no answer lost or doubled unseen, an account that fails alone. Method: the page's own code, run by
 * the gateway, and somebody on the line. Where a platform must misbehave, a line of the page is changed.
 */
import { readFile, writeFile } from 'node:fs/promises';
import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { type ConfigInput, gatewayProcess, type LocalGateway, localGateway } from '../support/gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from '../support/line-channel.ts';
import { STALLS, scriptedModel } from '../support/model.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/wait.ts';
import type { WireClient } from '../support/wire-client.ts';

const KITCHEN = 'agent:main:dm:line:kitchen';

interface Started {
  gateway: LocalGateway;
  client: WireClient;
  port: number;
  line: Line;
}

/** A gateway with the line channel, whose page is changed by `change`, and somebody on it. */
async function lineGateway(
  change?: (source: string) => string,
  { account = {}, ...config }: ConfigInput & { account?: Parameters<typeof lineConfig>[2] } = {},
): Promise<Started> {
  const port = await freePort();
  const module = await writeLineChannel(await tempFolder(), change);
  const gateway = await localGateway({ ...config, channels: { custom: { line: lineConfig(module, port, account) } } });
  return { gateway, port, client: await gateway.connect(), line: await Line.open(port) };
}

/** The page with `send` beginning with `code`, which sees `chat`, `text` and `key`. */
const sending = (code: string) => (source: string) =>
  source.replace('async send({ chat, text }) {', `async send({ chat, text, key }) {\n${code}`);

async function said(client: WireClient, session: string) {
  const { entries } = await client.ask('session.history', { session });
  return entries.filter(({ role }) => role === 'user').map(({ text }) => text);
}

async function channelState(client: WireClient, channel = 'line') {
  return (await client.ask('channel.list')).channels.find((one) => one.channel === channel);
}

function becomes(client: WireClient, channel: string, state: string) {
  const find = async () => {
    const found = await channelState(client, channel);
    return found?.state === state ? found : undefined;
  };
  return until(15_000, find, `${channel} to be ${state}`);
}

/** Waits until the counters of the line channel are these. */
async function counts(client: WireClient, expected: object) {
  let last: unknown;
  const find = async () => {
    last = await channelState(client);
    return Object.entries(expected).every(([name, value]) => (last as never)[name] === value) || undefined;
  };
  await until(10_000, find, JSON.stringify(expected)).catch(() => expect(last).toMatchObject(expected));
}

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

describe('kill -9', () => {
  it('between a message and its answer: the answer is made and sent after the start, once', async () => {
    const { models, server } = await scriptedModel(STALLS, { text: ['Here I am.'] });
    const port = await freePort();
    const home = await tempFolder();
    const config = { models, channels: { custom: { line: lineConfig(await writeLineChannel(home), port) } } };
    const first = await gatewayProcess({ home, config });
    const before = await Line.open(port);
    before.say('kitchen ada#1: where are you?');
    await before.heard(/^ok 1$/);
    await server.request(0);
    await first.kill();
    await gatewayProcess({ home, config });
    const line = await Line.open(port);
    line.say('kitchen ada#1: where are you?'); // the same again; and the line is known now
    await line.heard(/^ok 1$/);
    expect(await line.heard(/^kitchen bot: /)).toBe('kitchen bot: "Here I am."');
  });

  /** A platform that takes a message, says so to nobody, and writes down each try. */
  const hangs = (detectsDuplicates: boolean) => (source: string) =>
    sending(`
      const { appendFileSync, readFileSync } = await import('node:fs');
      const log = new URL('./sent.txt', import.meta.url);
      appendFileSync(log, key + '\\n');
      if (readFileSync(log, 'utf8').split('\\n').length === 2) await new Promise(() => {});`)(source).replace(
      'detectsDuplicates: false',
      `detectsDuplicates: ${detectsDuplicates}`,
    );

  it('while an answer is being sent: nobody knows whether it arrived, and that is said instead of sent again', async () => {
    const port = await freePort();
    const home = await tempFolder();
    const config = { channels: { custom: { line: lineConfig(await writeLineChannel(home, hangs(false)), port) } } };
    const first = await gatewayProcess({ home, config });
    const before = await Line.open(port);
    before.say('kitchen ada#1: hello');
    await before.heard(/^ok 1$/);
    const tries = async () => (await readFile(`${home}/sent.txt`, 'utf8').catch(() => '')).split('\n').filter(Boolean);
    await until(10_000, async () => (await tries()).length === 1 || undefined, 'a try to send');
    await first.kill();

    const second = await gatewayProcess({ home, config });
    const client = await second.connect();
    const unknown = await until(
      10_000,
      async () => ((await channelState(client))?.unknown === 1 ? client.ask('channel.list') : undefined),
      'the answer to be unknown',
    );
    expect(unknown.undelivered).toMatchObject([
      { channel: 'line', chat: 'kitchen', status: 'unknown', session: KITCHEN },
    ]);
    const marked = async () => {
      const { entries } = await client.ask('session.history', { session: KITCHEN });
      return entries.find(({ delivery }) => delivery !== undefined);
    };
    expect(await until(5_000, marked, 'the transcript to say so')).toMatchObject({
      role: 'assistant',
      delivery: { status: 'unknown', reason: expect.stringContaining('interrupted') },
    });
    // The chat goes on.
    const line = await Line.open(port);
    line.say('kitchen ada#2: still there?');
    await line.heard(/^kitchen bot: /);
    expect(new Set(await tries()).size).toBe(2);
  });

  it('the same on a platform that shows a repeated message once: it is sent again, with the same key', async () => {
    const port = await freePort();
    const home = await tempFolder();
    const config = { channels: { custom: { line: lineConfig(await writeLineChannel(home, hangs(true)), port) } } };
    const first = await gatewayProcess({ home, config });
    const before = await Line.open(port);
    before.say('kitchen ada#1: hello');
    const tries = async () => (await readFile(`${home}/sent.txt`, 'utf8').catch(() => '')).split('\n').filter(Boolean);
    await until(10_000, async () => (await tries()).length === 1 || undefined, 'a try to send');
    await first.kill();
    const second = await gatewayProcess({ home, config });
    const line = await Line.open(port);
    line.say('kitchen ada#1: hello');
    await line.heard(/^kitchen bot: /);
    const [key, ...again] = await tries();
    expect(new Set(again)).toEqual(new Set([key]));
    const client = await second.connect();
    await counts(client, { sent: 1, unknown: 0, failed: 0, waiting: 0 });
  });
});

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

describe('answers', () => {
  it('keep the order of their chat while one is tried again; another chat does not wait', async () => {
    const { client, line } = await lineGateway(
      sending(`
      globalThis.tries ??= 0;
      if (chat.id === 'kitchen' && globalThis.tries++ < 2)
        throw Object.assign(new Error('try later'), { kind: 'temporary' });`),
    );
    line.say('kitchen ada#1: what is 1+1');
    line.say('kitchen ada#2: what is 2+2');
    line.say('hall ada#3: what is 3+3');
    await line.heard(/^kitchen bot: .*2\+2/);
    expect(line.lines.filter((one) => one.includes('bot: '))).toEqual([
      'hall bot: "3+3 = 6"',
      'kitchen bot: "1+1 = 2"',
      'kitchen bot: "2+2 = 4"',
    ]);
    await counts(client, { sent: 3, failed: 0, unknown: 0, waiting: 0 });
  });

  it('that the platform refuses are reported: to the session, its transcript and the operator', async () => {
    const { client, line } = await lineGateway(
      sending(`if (text.includes('2')) throw Object.assign(new Error('no right to write'), { kind: 'rejected' });`),
    );
    line.say('kitchen ada#1: hello');
    await line.heard(/^kitchen bot: /);
    await client.ask('subscribe', { session: KITCHEN });
    line.say('kitchen ada#2: what is 1+1');
    const { data } = await client.event('message.delivery');
    expect(data).toMatchObject({ channel: 'line', account: 'default', status: 'failed', reason: 'no right to write' });
    const { entries } = await client.ask('session.history', { session: KITCHEN });
    expect(entries.at(-1)).toMatchObject({ delivery: { status: 'failed', reason: 'no right to write' } });
    expect(await client.ask('channel.list')).toMatchObject({
      channels: [{ sent: 1, failed: 1, waiting: 0 }],
      undelivered: [{ chat: 'kitchen', status: 'failed', message: data.message, session: KITCHEN }],
    });
  });

  it('whose fate the platform leaves open are not sent again', async () => {
    const { client, line } = await lineGateway(
      sending(`globalThis.seen = (globalThis.seen ?? 0) + 1; if (globalThis.seen === 1) throw new Error('cut off');`),
    );
    line.say('kitchen ada#1: what is 1+1');
    await until(10_000, async () => (await channelState(client))?.unknown === 1 || undefined, 'it to be unknown');
    line.say('kitchen ada#2: what is 2+2');
    await line.heard(/2\+2/);
    expect(line.lines.filter((one) => one.includes('bot: '))).toEqual(['kitchen bot: "2+2 = 4"']);
  });

  it('are words also when the run fails, and where the chat has moved they follow it', async () => {
    const { models } = await scriptedModel({ status: 400, message: 'bad' });
    const { line } = await lineGateway(
      sending(
        `if (chat.id === 'kitchen') throw Object.assign(new Error('moved'), { kind: 'gone', movedTo: 'new-kitchen' });
      sockets.set('new-kitchen', sockets.get('kitchen'));`,
      ),
      { models },
    );
    line.say('kitchen ada#1: hello');
    expect(await line.heard(/bot: /)).toMatch(/^new-kitchen bot: "My language model refused/);
  });
});

describe('an answer that is being made', () => {
  /** A platform whose messages can be changed: each has a line when it is sent and when it is edited. */
  const edits = (source: string) =>
    source
      .replace('edits: false', 'edits: true')
      .replace('typingMs: 0', 'typingMs: 5_000')
      .replace(
        'async send({ chat, text }) {',
        `async typing(chat) {
      sockets.get(chat.id)?.write('(' + chat.id + ' types)\\n');
    },

    async edit(chat, message, text) {
      sockets.get(chat.id)?.write(chat.id + ' edit: ' + JSON.stringify(text) + '\\n');
    },

    async send({ chat, text }) {`,
      );

  it('is shown in one message that grows, and becomes the answer', async () => {
    const { models } = await scriptedModel({ text: ['One ', 'two ', 'three ', 'four.'], eventDelayMs: 400 });
    const { client, line } = await lineGateway(edits, { models });
    line.say('kitchen ada#1: count');
    await line.heard(/^\(kitchen types\)$/);
    await line.heard(/^kitchen edit: "One two three four\."$/);
    await counts(client, { sent: 1, waiting: 0 });
    const sent = line.lines.filter((one) => one.startsWith('kitchen bot: '));
    expect(sent).toHaveLength(1);
    expect(JSON.parse(sent[0]!.slice(13))).toMatch(/^One/);
  });

  it('that a crash cuts short while it becomes the answer is edited once more after the start', async () => {
    const { models } = await scriptedModel({ text: ['One ', 'two ', 'three ', 'four.'], eventDelayMs: 400 });
    const [home, port] = [await tempFolder(), await freePort()];
    const hanging = (source: string) =>
      edits(source)
        .replace('return {\n    capabilities', `const files = await import('node:fs');\n  return {\n    capabilities`)
        .replace('export function', 'export async function')
        .replace('editIntervalMs: 0', 'editIntervalMs: 3_000') // so that the only edit is the last one
        .replace(
          'async edit(chat, message, text) {',
          `async edit(chat, message, text) {
      files.appendFileSync('${home}/edits', text + '\\n');
      if (text === 'One two three four.' && !files.existsSync('${home}/again')) await new Promise(() => {});`,
        );
    const config = { models, channels: { custom: { line: lineConfig(await writeLineChannel(home, hanging), port) } } };
    const first = await gatewayProcess({ home, config });
    const before = await Line.open(port);
    before.say('kitchen ada#1: count');
    const final = async () =>
      (await readFile(`${home}/edits`, 'utf8').catch(() => ''))
        .split('\n')
        .filter((text) => text === 'One two three four.');
    await until(10_000, async () => (await final()).length === 1 || undefined, 'the last edit');
    await first.kill();
    await writeFile(`${home}/again`, '');
    const second = await gatewayProcess({ home, config });
    const client = await second.connect();
    await counts(client, { sent: 1, unknown: 0, failed: 0, waiting: 0 });
    expect(await final()).toHaveLength(2);
    expect((await client.ask('session.history', { session: KITCHEN })).entries.at(-1)?.delivery).toBeUndefined();
  });

  it('is not shown where the account says so', async () => {
    const { models } = await scriptedModel({ text: ['One ', 'two.'], eventDelayMs: 400 });
    const { client, line } = await lineGateway(edits, { models, account: { streaming: 'off' } });
    line.say('kitchen ada#1: count');
    await line.heard(/bot: /);
    await counts(client, { sent: 1 });
    expect(line.lines).toContain('(kitchen types)');
    expect(line.lines.filter((one) => /bot|edit/.test(one))).toEqual(['kitchen bot: "One two."']);
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
