/**
 * Goal: the Telegram adapter, by polling and by webhook, passes the conformance suite, and does what is Telegram's own:
 * topics, commands for several bots, migration, captions. Method: grammY against a local Bot API server.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Message } from 'grammy/types';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Chat, InboundMessage } from '../../src/channels/adapter.ts';
import { createAdapter } from '../../src/channels/telegram/adapter.ts';
import { Refusal } from '../support/telegram-refusal.ts';
import { holds } from '../support/wait.ts';
import { describeAdapter } from './adapter-suite.ts';
import { Recorder } from './recorder.ts';
import { never } from './stage.ts';
import { ASHA, BEN, dmWith, GROUP, QUICK, telegramFixture } from './telegram-fixture.ts';
import { running } from './telegram-running.ts';

describeAdapter('telegram, polling', {}, (log) => telegramFixture('polling', log));
describeAdapter('telegram, webhook', {}, (log) => telegramFixture('webhook', log));

const FORUM = { ...GROUP, is_forum: true } as const;
const DM = dmWith(ASHA);

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

  it('does not read a file that is larger than the message said', async () => {
    const { account, server } = await running();
    server.post(DM, ASHA, { document: { ...server.file(new Uint8Array(5_000), 'a.bin'), file_size: 10 } });
    const [file] = (await account.message(0)).attachments;
    expect((await account.failure(file!.load(1_000, never))).kind).toBe('too_large');
    expect(server.fileBytes).toBe(0);
  });

  it('does not take the words of a refusal for the file', async () => {
    const { account, server } = await running();
    const document = server.file(new Uint8Array(5_000), 'a.bin');
    server.lostFiles.add(document.file_id);
    server.post(DM, ASHA, { document });
    const [file] = (await account.message(0)).attachments;
    expect((await account.failure(file!.load(10_000, never))).kind).toBe('temporary');
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

  it('says what Telegram says, but neither the token nor an address', async () => {
    const { account, server, adapter } = await running();
    server.faults.push(new Refusal(400, `Bad Request: bot${server.token} may not`), 'cut');
    const message = { chat, text: 'hi', key: 'k' };
    const refused = await account.failure(adapter.send(message, never));
    expect(refused.message).toBe('Telegram refused a message (400): Bad Request: bot[token] may not');
    expect((await account.failure(adapter.send(message, never))).message).not.toContain('http:');
  });

  it('knows of each of a thousand messages at once that it was sent', async () => {
    const { server, send } = await running();
    server.know(DM);
    const sent = await Promise.all(Array.from({ length: 1_000 }, (_, number) => send({ chat, text: `${number}` })));
    expect(new Set(sent.map(({ text }) => text)).size).toBe(1_000);
    expect(server.connections).toBeLessThanOrEqual(51);
  });

  it('follows nobody who sends it elsewhere: the token is a part of the address', async () => {
    let asked = 0;
    const elsewhere = createServer((_, response) => {
      asked += 1;
      response.end('{}');
    });
    const to = await listening(elsewhere);
    const from = await listening(
      createServer(({ url }, response) => response.writeHead(307, { location: `${to}${url}` }).end()),
    );
    const account = new Recorder();
    const context = { account: 'main', folder: '/nowhere', log: account.log, signal: never };
    const adapter = createAdapter({ token: 'the-token', apiUrl: from, group: 'mention' }, context, QUICK);
    expect((await account.failure(adapter.start(account))).kind).toBe('temporary');
    await adapter.stop();
    expect(asked).toBe(0);
    expect(account.said.join()).not.toContain('the-token');
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
    server.faults.push('none', new Refusal(429, 'Too Many Requests: retry after 1', { retry_after: 1 }));
    expect((await account.failure(adapter.send(message, never))).kind).toBe('rate_limited');
    const { message: id } = await adapter.send(message, never);
    const shown = server.sent.slice(1);
    expect(shown.map(({ text: words, file }) => words + (file?.name ?? ''))).toEqual([text, 'a.txt']);
    expect(String(shown[0]!.id)).toBe(id);
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

/** The address of a server that listens until the test ends. */
async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function aFile(): { file_id: string; file_unique_id: string } {
  return { file_id: 'f', file_unique_id: 'u' };
}

function aSticker(): { type: 'regular'; width: number; height: number; is_animated: boolean; is_video: boolean } {
  return { type: 'regular', width: 1, height: 1, is_animated: false, is_video: false };
}
