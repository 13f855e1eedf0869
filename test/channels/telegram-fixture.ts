/** Telegram for the conformance suite: the adapter with grammY, by polling or by webhook, against a local Bot API server. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Message, MessageEntity, Chat as TelegramChat, Update, User } from 'grammy/types';
import type { Logger } from 'pino';
import type { Adapter, AttachmentKind, Chat, Sender } from '../../src/channels/adapter.ts';
import { createAdapter } from '../../src/channels/telegram/adapter.ts';
import { POLLING_TIMES, type PollingTimes } from '../../src/channels/telegram/polling.ts';
import { Refusal } from '../support/telegram-refusal.ts';
import { type SentMessage, TelegramServer } from '../support/telegram-server.ts';
import {
  type AdapterFixture,
  BOT,
  type Posted,
  type PostedFile,
  type PostOptions,
  type Shown,
} from './adapter-fixture.ts';

export const SECRET = 'webhook-secret_0123456789';
/** As the real ones, but nobody waits long. */
export const QUICK: PollingTimes = {
  ...POLLING_TIMES,
  lookMs: 100,
  graceMs: 100,
  againMs: 20,
  backoffMs: 20,
  backoffMaxMs: 200,
};

export const ASHA: User = { id: 5001, is_bot: false, first_name: 'Asha', last_name: 'Rao', username: 'asharao' };
export const BEN: User = { id: 5002, is_bot: false, first_name: 'Ben' };
export const GROUP: TelegramChat.SupergroupChat = { id: -1001234, type: 'supergroup', title: 'Kitchen' };
const OTHER_GROUP: TelegramChat.SupergroupChat = { id: -1005678, type: 'supergroup', title: 'Garden' };
const TOPIC = 77;

export function dmWith(person: User): TelegramChat.PrivateChat {
  return { id: person.id, type: 'private', first_name: person.first_name };
}

/** What `{bot}` in a text becomes: the text Telegram has and its entities. */
export function mentioning(text: string, username: string): { text: string; entities?: MessageEntity[] } {
  const offset = text.indexOf(BOT);
  if (offset < 0) return { text };
  const mention = `@${username}`;
  return { text: text.replace(BOT, mention), entities: [{ type: 'mention', offset, length: mention.length }] };
}

/** Passes what is posted to a free port to the adapter, as the gateway does. */
export async function webhookFront(adapter: () => Adapter): Promise<{ url: string; server: Server }> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = new Map(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    const { status } = await adapter().webhook!({ method: request.method!, headers, body: Buffer.concat(chunks) });
    response.writeHead(status).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/telegram`, server };
}

export async function telegramFixture(
  source: 'polling' | 'webhook',
  log: Logger,
  times: PollingTimes = QUICK,
): Promise<AdapterFixture & { server: TelegramServer }> {
  const server = await TelegramServer.start();
  let adapter: Adapter;
  const front = source === 'webhook' ? await webhookFront(() => adapter) : undefined;
  const make = (token: string): Adapter =>
    createAdapter(
      {
        token,
        apiUrl: server.url,
        group: 'mention',
        ...(front === undefined ? {} : { webhook: { url: front.url, secret: SECRET } }),
      },
      { account: 'main', folder: '/nowhere', log, signal: new AbortController().signal },
      times,
    );
  adapter = make(server.token);
  const updates = new Map<Posted, Update>();

  function post(chat: TelegramChat, text: string, options: PostOptions, extra: Partial<Message> = {}): Posted {
    const from = userOf(options.sender, chat.type === 'private' && options.elsewhere ? BEN : ASHA);
    const [file] = options.attachments ?? [];
    const words = mentioning(text, server.bot.username);
    const content: Partial<Message> = {
      ...(file === undefined
        ? words
        : { ...fileContent(server, file), ...(text === '' ? {} : { caption: words.text }) }),
      ...(options.thread ? { message_thread_id: TOPIC, is_topic_message: true } : {}),
      ...(options.repliesTo === undefined ? {} : { reply_to_message: answered(server, chat, options.repliesTo) }),
      ...extra,
    };
    if (options.thread) server.know(chat).topics.add(TOPIC);
    const update = server.post(chat, from, content);
    const { message_id, date } = update.message!;
    const posted: Posted = {
      update: String(update.update_id),
      chat: chatOf(chat, options.thread ? TOPIC : undefined),
      sender: senderOf(from),
      message: String(message_id),
      timestamp: date * 1_000,
    };
    updates.set(posted, update);
    return posted;
  }

  const groupOf = ({ thread, elsewhere }: PostOptions): TelegramChat.SupergroupChat => {
    const group = elsewhere ? OTHER_GROUP : GROUP;
    return thread ? { ...group, is_forum: true } : group;
  };

  return {
    server,
    adapter,
    wrongAdapter: () => make('123456789:AAwrong-token_of-the-bot-0000000000'),
    refusals: () => server.strangers,
    secrets: [server.token, SECRET],
    dm: async (text, options = {}) => post(dmWith(options.elsewhere ? BEN : ASHA), text, options),
    group: async (text, options = {}) => post(groupOf(options), text, options),
    command: async (where, name, args) => {
      const command = where === 'dm' ? `/${name}` : `/${name}@${server.bot.username}`;
      const entities: MessageEntity[] = [{ type: 'bot_command', offset: 0, length: command.length }];
      return post(where === 'dm' ? dmWith(ASHA) : GROUP, `${command} ${args}`.trim(), {}, { entities });
    },
    echo: async (text) => void server.post(dmWith(ASHA), server.bot, { text }),
    redeliver: async (posted) => server.updates.repeat(updates.get(posted)!),
    accepted: (posted) => !server.updates.isPending(updates.get(posted)!),
    fileBytesRead: () => server.fileBytes,
    shown: () => server.sent.map(shownOf),
    attempts: () => [...server.calls].reduce((sum, [method, calls]) => sum + (SENDING.test(method) ? calls : 0), 0),
    typing: ({ id }) => server.actions.filter(({ chat }) => String(chat) === id).length,
    fail: (fault, { retryAfterMs = 0 } = {}) => {
      const refusals = {
        rate_limited: new Refusal(429, `Too Many Requests: retry after ${retryAfterMs / 1_000}`, {
          retry_after: retryAfterMs / 1_000,
        }),
        temporary: new Refusal(502, 'Bad Gateway'),
        rejected: new Refusal(400, 'Bad Request: not enough rights to send text messages to the chat'),
        gone: new Refusal(403, 'Forbidden: bot was blocked by the user'),
        unauthorized: new Refusal(401, 'Unauthorized'),
        unknown: 'cut',
        formatting: 'formatting',
        silence: 'silence',
      } as const;
      server.faults.push(refusals[fault]);
    },
    press: ({ message }, data, sender) => {
      const pressed = server.sent.find(({ id }) => String(id) === message)!;
      return server.press(userOf(sender, ASHA), pressed, data);
    },
    drop: () => server.drop(),
    restore: () => server.listen(),
    connections: () => server.connections,
    close: async () => {
      server.close();
      front?.server.close();
      front?.server.closeAllConnections();
    },
  };
}

type ReplyMessage = NonNullable<Message['reply_to_message']>;

const SENDING = /^send(?!ChatAction)/;

function userOf(sender: Sender | undefined, usual: User): User {
  if (sender === undefined) return usual;
  const { id, name, username, bot } = sender;
  return { id: Number(id), is_bot: bot, first_name: name, ...(username === undefined ? {} : { username }) };
}

function senderOf({ id, first_name, last_name, username, is_bot }: User): Sender {
  return {
    id: String(id),
    name: last_name === undefined ? first_name : `${first_name} ${last_name}`,
    username,
    bot: is_bot,
  };
}

/** A forum's general topic has the number 1, which its messages do not carry. */
function chatOf(chat: TelegramChat, topic: number | undefined): Chat {
  const thread = topic ?? (chat.is_forum ? 1 : undefined);
  const type = chat.type === 'private' ? 'dm' : 'group';
  return { id: String(chat.id), type, ...(thread === undefined ? {} : { thread: String(thread) }) };
}

function answered(server: TelegramServer, chat: TelegramChat, id: string): ReplyMessage {
  const ours = server.sent.some((sent) => String(sent.id) === id);
  const message = { message_id: Number(id), date: 1, chat, from: ours ? server.bot : BEN, text: 'before' };
  return message as ReplyMessage;
}

/** A picture comes as a photo, in two sizes; the rest as what it is. */
function fileContent(
  server: TelegramServer,
  { kind, name, mediaType, data, declaredBytes }: PostedFile,
): Partial<Message> {
  const file = { ...server.file(data, name, declaredBytes), file_name: name, mime_type: mediaType };
  if (kind === 'image') {
    const small = server.file(new Uint8Array(10), name);
    return {
      photo: [
        { ...file, width: 800, height: 600 },
        { ...small, width: 80, height: 60 },
      ],
    };
  }
  if (kind === 'audio') return { audio: { ...file, duration: 3 } };
  if (kind === 'video') return { video: { ...file, duration: 3, width: 320, height: 240 } };
  return { document: file };
}

const KINDS: Record<string, AttachmentKind> = {
  sendPhoto: 'image',
  sendAudio: 'audio',
  sendVoice: 'audio',
  sendVideo: 'video',
};
const LOOKS: Partial<Record<MessageEntity['type'], Shown['formatting'][number]['look']>> = {
  bold: 'bold',
  italic: 'italic',
  code: 'code',
  pre: 'block',
  text_link: 'link',
};

function shownOf({ id, chat, thread, replyTo, text, entities, buttons, file }: SentMessage): Shown {
  return {
    message: String(id),
    chat: {
      id: String(chat),
      type: chat > 0 ? 'dm' : 'group',
      ...(thread === undefined ? {} : { thread: String(thread) }),
    },
    text: file === undefined ? text : '',
    formatting: entities.flatMap(({ type, offset, length }) => {
      const look = LOOKS[type];
      return look === undefined ? [] : [{ look, text: text.slice(offset, offset + length) }];
    }),
    buttons: buttons.map((row) => row.map(({ text: label, callback_data: data }) => ({ label, data }))),
    ...(file === undefined
      ? {}
      : { file: { kind: KINDS[file.method] ?? 'file', name: file.name, data: file.data, caption: text } }),
    ...(replyTo === undefined ? {} : { replyTo: String(replyTo) }),
  };
}
