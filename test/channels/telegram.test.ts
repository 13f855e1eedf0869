/**
 * Goal: the Telegram adapter, by polling and by webhook, passes the conformance suite, and does what is Telegram's own:
 * topics, commands for several bots, migration, polling that stalls, webhooks that are forged (scorecard row 16). Method:
 * grammY against a local Bot API server.
 */
import type { Message } from 'grammy/types';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Chat, InboundMessage, OutboundMessage } from '../../src/channels/adapter.ts';
import { createAdapter } from '../../src/channels/telegram/adapter.ts';
import { channelsSchema } from '../../src/config/channels.ts';
import { Refusal } from '../support/telegram-refusal.ts';
import type { TelegramServer } from '../support/telegram-server.ts';
import { postUpdate } from '../support/telegram-updates.ts';
import { holds } from '../support/wait.ts';
import { describeAdapter } from './adapter-suite.ts';
import { gate, Recorder } from './recorder.ts';
import { ASHA, BEN, dmWith, GROUP, QUICK, SECRET, telegramFixture, webhookFront } from './telegram-fixture.ts';

describeAdapter('telegram, polling', {}, (log) => telegramFixture('polling', log));
describeAdapter('telegram, webhook', {}, (log) => telegramFixture('webhook', log));

const never = new AbortController().signal;
const FORUM = { ...GROUP, is_forum: true } as const;
const DM = dmWith(ASHA);

interface Running {
  readonly account: Recorder;
  readonly server: TelegramServer;
  readonly adapter: ReturnType<typeof createAdapter>;
  /** Sends and gives what is shown. */
  send(message: Partial<OutboundMessage> & { chat: Chat }): Promise<TelegramServer['sent'][number]>;
}

/** An adapter and its server until the test ends. */
async function running(
  source: 'polling' | 'webhook' = 'polling',
  times: Partial<typeof QUICK> = {},
  before: (server: TelegramServer) => void = () => undefined,
): Promise<Running> {
  const account = new Recorder();
  const { adapter, server, close } = await telegramFixture(source, account.log, { ...QUICK, ...times });
  onTestFinished(async () => {
    await adapter.stop();
    await close();
    expect(account.said.join('\n')).not.toContain(server.token);
  });
  before(server);
  await adapter.start(account);
  let keys = 0;
  const send: Running['send'] = async (message) => {
    keys += 1;
    const { message: id } = await adapter.send({ text: '', key: `key${keys}`, ...message }, never);
    return server.sent.find((sent) => String(sent.id) === id)!;
  };
  return { account, server, adapter, send };
}

/** What becomes of a message in the group; undefined: nothing. */
async function received(
  content: Partial<Message>,
  chat = GROUP as Message['chat'],
): Promise<InboundMessage | undefined> {
  const { account, server } = await running();
  server.post(chat, ASHA, content);
  server.post(DM, ASHA, { text: 'the end' });
  await holds(() => account.messages.some(({ text }) => text === 'the end'));
  return account.messages.find(({ text }) => text !== 'the end');
}

describe('Telegram: what comes', () => {
  it.each([
    ['/status@DhaavakBot', '/status', true],
    ['/status@dhaavakbot now', '/status now', true],
    ['/status', '/status', true],
    ['/status@OtherBot', undefined, false],
  ])('in a group takes %s as %s', async (text, expected, addressed) => {
    const length = text.split(' ')[0]!.length;
    const message = await received({ text, entities: [{ type: 'bot_command', offset: 0, length }] });
    expect(message?.text).toBe(expected);
    expect(message?.addressed ?? false).toBe(addressed);
  });

  it.each([
    ['@DhaavakBot, hi', 'hi'],
    ['@dhaavakbot: hi', 'hi'],
    ['hi @DhaavakBot', 'hi'],
    ['hi @DhaavakBot, and you?', 'hi, and you?'],
    ['hi @DhaavakBot and you', 'hi and you'],
  ])('takes the mention out of %j', async (text, expected) => {
    const offset = text.indexOf('@');
    const message = await received({ text, entities: [{ type: 'mention', offset, length: '@DhaavakBot'.length }] });
    expect(message).toMatchObject({ text: expected, addressed: true });
  });

  it('knows a mention by name of a bot without a handle, and one in a caption', async () => {
    const user = { id: 123456789, is_bot: true, first_name: 'Dhaavak' };
    const named = await received({
      text: '🙂 Dhaavak hi',
      entities: [{ type: 'text_mention', offset: 3, length: 7, user }],
    });
    expect(named).toMatchObject({ text: '🙂 hi', addressed: true });
    const caption = await received({
      document: { file_id: 'f', file_unique_id: 'u' },
      caption: '@DhaavakBot look',
      caption_entities: [{ type: 'mention', offset: 0, length: 11 }],
    });
    expect(caption).toMatchObject({ text: 'look', addressed: true, attachments: [{ kind: 'file' }] });
  });

  it('is not addressed by a mention of somebody else, or by its name without a mention', async () => {
    const text = '@asharao ask DhaavakBot or @DhaavakBotany';
    const entities = [
      { type: 'mention' as const, offset: 0, length: 8 },
      { type: 'mention' as const, offset: 27, length: 14 },
    ];
    expect(await received({ text, entities })).toMatchObject({ text, addressed: false });
  });

  it('keeps topics apart, the general one too, and knows the message that made a topic for no answer', async () => {
    const made = { message_id: 77, date: 1, chat: FORUM, forum_topic_created: { name: 'Food', icon_color: 7322096 } };
    const inTopic = { message_thread_id: 77, is_topic_message: true as const };
    const { account, server } = await running();
    server.post(FORUM, ASHA, { text: 'general' });
    server.post(FORUM, ASHA, { text: 'food', ...inTopic, reply_to_message: made as never });
    // Without topics the number of a thread only says where a discussion began.
    server.post(GROUP, ASHA, { text: 'no topic', message_thread_id: 5 });
    await account.message(2);
    const found = account.messages.map(({ text, chat, repliesTo }) => ({ text, thread: chat.thread, repliesTo }));
    expect(found).toEqual([
      { text: 'general', thread: '1', repliesTo: undefined },
      { text: 'food', thread: '77', repliesTo: undefined },
      { text: 'no topic', thread: undefined, repliesTo: undefined },
    ]);
  });

  it('passes over what nobody says: joins, edits, posts of channels and what channels forward by themselves', async () => {
    const { account, server } = await running();
    server.post(GROUP, ASHA, { new_chat_members: [BEN] });
    server.post(GROUP, ASHA, { text: 'news', is_automatic_forward: true });
    const channel = { id: -1009, type: 'channel' as const, title: 'News' };
    server.updates.push({ channel_post: { message_id: 3, date: 1, chat: channel, text: 'post' } as never });
    server.updates.push({ edited_message: { message_id: 3, date: 1, chat: DM, from: ASHA, text: 'edit' } as never });
    server.post(DM, ASHA, { text: 'said' });
    await account.message(0);
    expect(account.messages.map(({ text }) => text)).toEqual(['said']);
    await holds(() => server.updates.pendingCount === 0);
  });

  it('takes an anonymous administrator for the group', async () => {
    const message = await received({
      text: 'hi',
      sender_chat: GROUP,
      from: { id: 1087968824, is_bot: true, first_name: 'G' },
    });
    expect(message?.sender).toEqual({ id: '-1001234', name: 'Kitchen', username: undefined, bot: false });
  });

  it.each<[string, Partial<Message>, string, { kind: string; mediaType?: string }[]]>([
    ['a voice message', { voice: { ...aFile(), duration: 1 } }, '', [{ kind: 'audio', mediaType: 'audio/ogg' }]],
    [
      'a round video',
      { video_note: { ...aFile(), length: 9, duration: 1 } },
      '',
      [{ kind: 'video', mediaType: 'video/mp4' }],
    ],
    [
      'a picture sent as a file',
      { document: { ...aFile(), mime_type: 'image/png' } },
      '',
      [{ kind: 'image', mediaType: 'image/png' }],
    ],
    [
      'an animation, which comes as a document too',
      { animation: { ...aFile(), width: 1, height: 1, duration: 1 }, document: aFile() },
      '',
      [{ kind: 'video', mediaType: 'video/mp4' }],
    ],
    [
      'a sticker',
      { sticker: { ...aFile(), emoji: '👍', ...aSticker() } },
      '👍',
      [{ kind: 'image', mediaType: 'image/webp' }],
    ],
    ['a sticker that moves', { sticker: { ...aFile(), emoji: '👍', ...aSticker(), is_animated: true } }, '👍', []],
    ['a place', { location: { latitude: 12.5, longitude: 77.5 } }, '[location: 12.5, 77.5]', []],
  ])('makes something of %s', async (_, content, text, attachments) => {
    expect(await received(content, DM)).toMatchObject({ text, attachments });
  });

  it('does not ask for a file Telegram gives to no bot', async () => {
    const { account, server } = await running();
    server.post(DM, ASHA, { document: { ...server.file(new Uint8Array(5), 'film.mp4', 21 * 1024 * 1024) } });
    const [file] = (await account.message(0)).attachments;
    expect((await account.failure(file!.load(1e9, never))).kind).toBe('too_large');
    expect(server.calls.get('getFile')).toBeUndefined();
  });

  it('logs the new id of a group that became a supergroup', async () => {
    const { account, server } = await running();
    server.post({ id: -55, type: 'group', title: 'Old' }, ASHA, { migrate_to_chat_id: -10055 });
    await holds(() => account.said.some((line) => line.includes('"from":"-55","to":"-10055"')));
    expect(account.messages).toEqual([]);
  });
});

describe('Telegram: what goes', () => {
  const chat: Chat = { id: String(ASHA.id), type: 'dm' };

  it('sends to the general topic without its number, but types with it; to other topics with theirs', async () => {
    const { account, server, adapter, send } = await running();
    server.know(FORUM).topics.add(77);
    const general: Chat = { id: String(FORUM.id), type: 'group', thread: '1' };
    expect((await send({ chat: general, text: 'hi' })).thread).toBeUndefined();
    expect((await send({ chat: { ...general, thread: '77' }, text: 'hi' })).thread).toBe(77);
    await adapter.typing!(general);
    expect(server.actions).toEqual([{ chat: FORUM.id, thread: 1 }]);
    const closed = adapter.send({ chat: { ...general, thread: '78' }, text: 'hi', key: 'k' }, never);
    expect((await account.failure(closed)).kind).toBe('gone');
  });

  it('says where a group went that became a supergroup', async () => {
    const { account, server, adapter } = await running();
    server.know({ id: -55, type: 'group', title: 'Old' }).refusal = new Refusal(
      400,
      'Bad Request: group chat was upgraded to a supergroup chat',
      { migrate_to_chat_id: -10055 },
    );
    const error = await account.failure(
      adapter.send({ chat: { id: '-55', type: 'group' }, text: 'hi', key: 'k' }, never),
    );
    expect(error).toMatchObject({ kind: 'gone', movedTo: '-10055' });
  });

  it.each([
    [400, 'Bad Request: chat not found', 'gone'],
    [403, 'Forbidden: user is deactivated', 'gone'],
    [403, 'Forbidden: bot was kicked from the supergroup chat', 'gone'],
    [403, "Forbidden: bot can't initiate conversation with a user", 'rejected'],
    [400, 'Bad Request: TOPIC_CLOSED', 'rejected'],
    [413, 'Request Entity Too Large', 'too_large'],
    [404, 'Not Found', 'unauthorized'],
    [404, 'Not Found: method not found', 'rejected'],
    [504, 'Gateway Timeout', 'unknown'],
  ])('takes %i %s for %s', async (code, description, kind) => {
    const { account, server, adapter } = await running();
    server.faults.push(new Refusal(code, description));
    expect(await account.failure(adapter.send({ chat, text: 'hi', key: 'k' }, never))).toMatchObject({ kind });
  });

  it('answers a message that is gone without naming it', async () => {
    const { server, send } = await running();
    server.know(DM);
    expect((await send({ chat, text: 'hi', replyTo: '999999' })).replyTo).toBeUndefined();
  });

  it('puts a text under its file, or before it when it is too long for that, also when the file has to be sent again', async () => {
    const { account, server, adapter, send } = await running();
    server.know(DM);
    const attachment = { kind: 'file', name: 'a.txt', mediaType: 'text/plain', data: Buffer.from('a') } as const;
    expect(await send({ chat, text: 'short', attachment })).toMatchObject({ text: 'short', file: { name: 'a.txt' } });
    const text = 'long '.repeat(300).trim();
    const message = { chat, text, attachment, key: 'same' };
    const tooMany = new Refusal(429, 'Too Many Requests: retry after 1', { retry_after: 1 });
    const sending = adapter.send(message, never);
    server.faults.push(tooMany);
    expect((await account.failure(sending)).kind).toBe('rate_limited');
    server.faults.push(tooMany);
    // The text is out already or not: either way it is shown once.
    await adapter.send(message, never).catch(() => adapter.send(message, never));
    const shown = server.sent.slice(1);
    expect(shown.map(({ text: words, file }) => words + (file?.name ?? ''))).toEqual([text, 'a.txt']);
  });

  it('sends a picture Telegram cannot show as a file', async () => {
    const { server, send } = await running();
    server.know(DM);
    server.faults.push(new Refusal(400, 'Bad Request: PHOTO_INVALID_DIMENSIONS'));
    const attachment = { kind: 'image', name: 'x; y"é.png', mediaType: 'image/png', data: Buffer.from('a') } as const;
    const { file } = await send({ chat, attachment });
    expect(file).toMatchObject({ method: 'sendDocument', name: 'x_ y_é.png' });
  });

  it('changes what stands under a file', async () => {
    const { server, adapter, send } = await running();
    server.know(DM);
    const attachment = { kind: 'file', name: 'a.txt', mediaType: 'text/plain', data: Buffer.from('a') } as const;
    const sent = await send({ chat, text: 'before', attachment });
    await adapter.edit!(chat, String(sent.id), '*after*', undefined, never);
    await adapter.edit!(chat, String(sent.id), '*after*', undefined, never);
    expect(sent).toMatchObject({ text: 'after', entities: [{ type: 'italic' }] });
  });
});

describe('Telegram: polling', () => {
  it('begins anew when Telegram does not answer in time', async () => {
    const { account, server } = await running('polling', { pollMs: 1_000, marginMs: 100, lookMs: 60_000 });
    await account.reaches('ready');
    await holds(() => server.calls.get('getUpdates') === 2);
    server.updates.losePoll();
    server.post(DM, ASHA, { text: 'hello?' });
    await account.message(0);
    expect(account.states).toContainEqual({
      state: 'degraded',
      reason: expect.stringMatching(/did not answer within/),
    });
    await account.reaches('ready');
  });

  it('begins anew when Telegram has updates that do not come, though sending works', async () => {
    const { account, server, send } = await running();
    await account.reaches('ready');
    await holds(() => server.calls.get('getUpdates') === 2);
    server.updates.losePoll();
    server.post(DM, ASHA, { text: 'hello?' });
    const sending = setInterval(() => void send({ chat: { id: String(ASHA.id), type: 'dm' }, text: 'hi' }), 20);
    onTestFinished(() => clearInterval(sending));
    await account.message(0);
    expect(account.states).toContainEqual({
      state: 'degraded',
      reason: expect.stringMatching(/has 1 updates and gives none/),
    });
    await account.reaches('ready');
  });

  it('hears again after the ids of updates began elsewhere', async () => {
    const { account, server } = await running();
    server.post(DM, ASHA, { text: 'before' });
    await account.message(0);
    await holds(() => server.updates.pendingCount === 0);
    server.updates.restartIds(500);
    server.post(DM, ASHA, { text: 'after a week' });
    expect((await account.message(1)).update).toBe('500');
    await account.reaches('ready');
    await holds(() => server.updates.pendingCount === 0);
    expect(account.messages).toHaveLength(2);
  });

  it('stays degraded as long as Telegram claims updates and gives none', async () => {
    const { account, server } = await running('polling', { pollMs: 1_000 });
    await account.reaches('ready');
    server.updates.give(false);
    server.post(DM, ASHA, { text: 'hello?' });
    const polls = server.calls.get('getUpdates')!;
    await holds(() => server.calls.get('getUpdates')! > polls + 3);
    expect(account.states.at(-1)?.state).toBe('degraded');
    server.updates.give(true);
    await account.message(0);
    await account.reaches('ready');
  });

  it('says that another program polls with the same token, and goes on when it ended', async () => {
    const { account, server } = await running();
    await account.reaches('ready');
    const other = setInterval(() => void server.updates.poll(undefined, 1, 50, never).catch(() => undefined), 10);
    await account.reaches('degraded');
    expect(account.states.at(-1)?.reason).toMatch(/another program uses the token of this bot: .*other getUpdates/);
    clearInterval(other);
    await account.reaches('ready');
    server.post(DM, ASHA, { text: 'hello?' });
    await account.message(0);
  });

  it('does not take away a webhook another program set, but says so', async () => {
    const { account, server } = await running();
    await account.reaches('ready');
    server.updates.setWebhook({ url: 'http://127.0.0.1:9/elsewhere', secret: 'x' });
    await account.reaches('degraded');
    expect(account.states.at(-1)?.reason).toMatch(/another program uses the token of this bot: .*webhook/);
    server.updates.setWebhook(undefined);
    await account.reaches('ready');
  });

  it('takes away the webhook of an earlier start', async () => {
    const { account } = await running('polling', {}, (server) =>
      server.updates.setWebhook({ url: 'http://127.0.0.1:9/mine', secret: 'x' }),
    );
    await account.reaches('ready');
  });

  it('is logged out when the token is revoked, and asks no more', async () => {
    const { account, server } = await running();
    await account.reaches('ready');
    Object.assign(server, { token: '123456789:AAnew-token_of-the-bot-000000000000000' });
    server.updates.restartPoll();
    await account.reaches('logged-out');
    const { strangers } = server;
    await new Promise((resolve) => setTimeout(resolve, QUICK.backoffMaxMs));
    expect(server.strangers).toBe(strangers);
  });

  it('waits as long as Telegram says', async () => {
    const { account, server } = await running();
    await account.reaches('ready');
    const before = server.calls.get('getUpdates')!;
    server.updates.restartPoll(new Refusal(429, 'Too Many Requests: retry after 1', { retry_after: 1 }));
    await account.reaches('degraded');
    const since = performance.now();
    await holds(() => server.calls.get('getUpdates')! > before);
    expect(performance.now() - since).toBeGreaterThan(900);
  });

  it('takes no update twice while one before it waits, and no more than 100 at a time', async () => {
    const { account, server } = await running();
    const kept = gate();
    account.keep = ({ text }) => (text === 'slow' ? kept.opened : Promise.resolve());
    server.post(DM, ASHA, { text: 'slow' });
    for (let number = 1; number <= 150; number += 1) server.post(dmWith(BEN), BEN, { text: `${number}` });
    await account.message(99);
    const polls = server.calls.get('getUpdates')!;
    await holds(() => server.calls.get('getUpdates')! > polls + 2);
    expect(account.messages).toHaveLength(100);
    expect(server.updates.pendingCount).toBe(151);
    await holds(() => account.states.at(-1)?.state === 'degraded');
    expect(account.states.at(-1)?.reason).toMatch(/waiting for long to be kept/);
    kept.open();
    await account.message(150);
    await account.reaches('ready');
    expect(new Set(account.messages.map(({ update }) => update)).size).toBe(151);
    expect(account.messages.slice(1).map(({ text }) => text)).toEqual(
      Array.from({ length: 150 }, (_, i) => `${i + 1}`),
    );
  });

  it('asks again for what was not kept and for what came after it in that chat, in order', async () => {
    const { account, server } = await running();
    let full = true;
    account.keep = async () => {
      if (full) throw new Error('the disk is full');
    };
    for (const text of ['one', 'two', 'three']) server.post(DM, ASHA, { text });
    await holds(() => account.messages.length >= 3);
    await account.reaches('degraded');
    full = false;
    await holds(() => server.updates.pendingCount === 0);
    expect(account.messages.map(({ text }) => text).filter((text) => text !== 'one')).toEqual(['two', 'three']);
    await account.reaches('ready');
  });

  it('tells Telegram at its end what arrived', async () => {
    const { account, server, adapter } = await running();
    const kept = gate();
    account.keep = () => kept.opened;
    server.post(DM, ASHA, { text: 'last' });
    await account.message(0);
    const stopped = adapter.stop();
    kept.open();
    await stopped;
    expect(server.updates.pendingCount).toBe(0);
  });
});

describe('Telegram: the webhook (scorecard row 16)', () => {
  it('lets in only what carries the secret, of 60 forged requests none', async () => {
    const { account, server } = await running('webhook');
    const { url } = server.updates.webhook!;
    const update = (id: number): string =>
      JSON.stringify({
        update_id: id,
        message: { message_id: id, date: 1, chat: DM, from: ASHA, text: `forged ${id}` },
      });
    const flipped = Array.from(SECRET, (letter, index) => {
      const other = String.fromCharCode(letter.charCodeAt(0) ^ 1);
      return SECRET.slice(0, index) + other + SECRET.slice(index + 1);
    });
    const forged = [
      ...flipped,
      '',
      ' ',
      SECRET.slice(1),
      SECRET.slice(0, -1),
      `${SECRET}x`,
      SECRET.toUpperCase(),
      'undefined',
      'stale-secret_0123456789',
    ];
    for (const [id, secret] of forged.entries()) {
      expect(await postUpdate({ url, secret }, update(id)), secret).toMatch(/401/);
    }
    for (const method of ['POST', 'GET', 'PUT']) {
      const { status } = await fetch(url, { method, ...(method === 'GET' ? {} : { body: update(900) }) });
      expect(status).toBe(401);
    }
    expect(account.messages).toEqual([]);
    expect(await postUpdate({ url, secret: SECRET }, update(1_000))).toBeUndefined();
    expect(account.messages.map(({ text }) => text)).toEqual(['forged 1000']);
  });

  it('takes the secret of an earlier start for a forgery', async () => {
    const { server } = await running('webhook');
    const account = new Recorder();
    const settings = { token: server.token, apiUrl: server.url, group: 'mention' } as const;
    const context = { account: 'main', folder: '/nowhere', log: account.log, signal: never };
    const front = await webhookFront(() => renewed);
    const webhook = { url: front.url, secret: 'another-secret_987654321' };
    const renewed = createAdapter({ ...settings, webhook }, context, QUICK);
    onTestFinished(async () => {
      await renewed.stop();
      front.server.close();
      front.server.closeAllConnections();
    });
    await renewed.start(account);
    const body = JSON.stringify({
      update_id: 1,
      message: { message_id: 1, date: 1, chat: DM, from: ASHA, text: 'old' },
    });
    expect(await postUpdate({ url: front.url, secret: SECRET }, body)).toMatch(/401/);
    expect(account.messages).toEqual([]);
  });

  it.each([
    ['none', undefined],
    ['an empty one', ''],
    ['one too short to be one', 'secret'],
  ])('is no good configuration with %s for a secret', (_, secret) => {
    const account = { token: 'x', webhook: { url: 'https://bot.example/telegram', secret } };
    expect(channelsSchema.safeParse({ telegram: { main: account } }).success).toBe(false);
  });

  it('agrees on the secret and on what is sent with Telegram', async () => {
    const { server } = await running('webhook');
    expect(server.updates.webhook).toMatchObject({ secret: SECRET });
  });

  it('answers what is verified and yet no update', async () => {
    const { account, adapter } = await running('webhook');
    const headers = new Map([['x-telegram-bot-api-secret-token', SECRET]]);
    const answer = async (method: string, body: string): Promise<number> =>
      (await adapter.webhook!({ method, headers, body: Buffer.from(body) })).status;
    expect(await answer('GET', '')).toBe(405);
    for (const body of ['', 'null', '[]', '{"update_id":"1"}', '{']) expect(await answer('POST', body)).toBe(400);
    await adapter.stop();
    expect(await answer('POST', '{"update_id":1}')).toBe(503);
    expect(account.messages).toEqual([]);
  });

  it('has no more than 100 updates under way', async () => {
    const { account, adapter } = await running('webhook');
    const kept = gate();
    account.keep = () => kept.opened;
    const headers = new Map([['x-telegram-bot-api-secret-token', SECRET]]);
    const posted = Array.from({ length: 101 }, (_, id) => {
      const message = { message_id: id, date: 1, chat: dmWith({ ...ASHA, id: 9_000 + id }), from: ASHA, text: 'hi' };
      const body = Buffer.from(JSON.stringify({ update_id: id, message }));
      return adapter.webhook!({ method: 'POST', headers, body });
    });
    expect((await posted[100])?.status).toBe(503);
    kept.open();
    expect((await Promise.all(posted)).filter(({ status }) => status === 200)).toHaveLength(100);
  });

  it('says why Telegram does not reach it, and when it does again', async () => {
    const { account, server } = await running('webhook');
    const target = server.updates.webhook!;
    server.updates.setWebhook({ ...target, secret: 'lost-on-the-way_0123' });
    server.post(DM, ASHA, { text: 'hello?' });
    await account.reaches('degraded');
    expect(account.states.at(-1)?.reason).toMatch(/cannot deliver 1 updates: Wrong response from the webhook: 401/);
    server.updates.setWebhook(target);
    await account.message(0);
    await account.reaches('ready');
  });

  it('says that another program took the webhook', async () => {
    const { account, server } = await running('webhook');
    server.updates.setWebhook({ url: 'http://127.0.0.1:9/elsewhere', secret: 'x' });
    await account.reaches('degraded');
    expect(account.states.at(-1)?.reason).toMatch(/another program took the webhook/);
  });

  it('is logged out when the token is revoked', async () => {
    const { account, server } = await running('webhook');
    Object.assign(server, { token: '123456789:AAnew-token_of-the-bot-000000000000000' });
    await account.reaches('logged-out');
  });

  it('does not start with an address Telegram refuses', async () => {
    const account = new Recorder();
    const { server, close } = await telegramFixture('webhook', account.log);
    onTestFinished(close);
    const webhook = { url: 'ftp://bot.example/', secret: SECRET };
    const adapter = createAdapter(
      { token: server.token, apiUrl: server.url, group: 'mention', webhook },
      { account: 'main', folder: '/nowhere', log: account.log, signal: never },
    );
    expect((await account.failure(adapter.start(account))).kind).toBe('rejected');
    await adapter.stop();
  });
});

it('warns that privacy mode hides what the account is to hear', async () => {
  const account = new Recorder();
  const { server, close } = await telegramFixture('polling', account.log);
  const adapter = createAdapter(
    { token: server.token, apiUrl: server.url, group: 'all' },
    { account: 'main', folder: '/nowhere', log: account.log, signal: never },
    QUICK,
  );
  onTestFinished(async () => {
    await adapter.stop();
    await close();
  });
  await adapter.start(account);
  expect(account.said.join()).toMatch(/privacy mode/);
});

function aFile(): { file_id: string; file_unique_id: string } {
  return { file_id: 'f', file_unique_id: 'u' };
}

function aSticker(): { type: 'regular'; width: number; height: number; is_animated: boolean; is_video: boolean } {
  return { type: 'regular', width: 1, height: 1, is_animated: false, is_video: false };
}
