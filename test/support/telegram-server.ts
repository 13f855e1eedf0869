/**
 * A Bot API server for tests: it takes the calls grammY makes, checks them as Telegram's would and refuses with Telegram's
 * words. It needs nothing of the test runner, so it can run in a process of its own.
 *
 *     const server = await TelegramServer.start();
 *     server.post(chat, person, { text: 'hi' });   // what people do
 *     server.sent                                  // what they see
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { Chat, Message, MessageEntity, Update, User, UserFromGetMe } from 'grammy/types';
import { parseHtml, trimmed } from './telegram-html.ts';
import {
  bad,
  buttonsOf,
  type CallbackButton,
  FILE_METHODS,
  fileOf,
  numeric,
  type Parameters,
  parametersOf,
  parsed,
  type UploadedFile,
} from './telegram-parameters.ts';
import { Refusal } from './telegram-refusal.ts';
import { UpdateQueue } from './telegram-updates.ts';

/** Some of the emoji that Telegram has for reactions: it knows them without the mark of the colourful form. */
const REACTIONS = new Set(['👍', '👎', '❤', '🔥', '🎉', '👀', '👌', '✍', '🫡']);
const TEXT_LENGTH_MAX = 4_096;
const CAPTION_LENGTH_MAX = 1_024;
const DOWNLOAD_BYTES_MAX = 20 * 1024 * 1024;
export const TELEGRAM_TOKEN = '123456789:AAtest-token_of-the-bot-00000000000';
/** Telegram keeps a connection for about as long, so one that is left open is seen. */
const KEEP_ALIVE_MS = 75_000;

/**
 * What the next call that sends comes to. `none`: it is fine; `silence`: no answer; `cut`: the connection is cut instead of
 * one; `formatting`: its formatting is refused, and it is fine without any.
 */
export type SendFault = Refusal | 'none' | 'silence' | 'cut' | 'formatting';

/** A message of the bot. */
export interface SentMessage {
  readonly id: number;
  readonly chat: number;
  readonly thread: number | undefined;
  readonly replyTo: number | undefined;
  /** Of the text or, with a file, of its caption. */
  text: string;
  entities: MessageEntity[];
  buttons: CallbackButton[][];
  readonly file: UploadedFile | undefined;
}

/** A chat the bot can write to, and what stands against it. */
export interface KnownChat {
  readonly chat: Chat;
  readonly topics: Set<number>;
  /** Refuses whatever is sent there. */
  refusal?: Refusal;
}

interface StoredFile {
  readonly data: Uint8Array;
  readonly path: string;
  readonly claimed: number | undefined;
}

export class TelegramServer {
  readonly token = TELEGRAM_TOKEN;
  readonly bot: UserFromGetMe = {
    id: 123456789,
    is_bot: true,
    first_name: 'Dhaavak',
    username: 'DhaavakBot',
    can_join_groups: true,
    can_read_all_group_messages: false,
    supports_inline_queries: false,
    can_connect_to_business: false,
    has_main_web_app: false,
  } as UserFromGetMe;
  readonly updates = new UpdateQueue();
  /** What the bot sent, as it stands now. */
  readonly sent: SentMessage[] = [];
  readonly chats = new Map<number, KnownChat>();
  /** Calls by method, refused ones included. */
  readonly calls = new Map<string, number>();
  /** `sendChatAction`: the chat and topic. */
  readonly actions: { readonly chat: number; readonly thread: number | undefined }[] = [];
  /** Answers to presses, by the id of the query. */
  readonly answers = new Map<string, (text: string) => void>();
  /** The bot's reactions, by chat and message. */
  readonly reactions = new Map<string, string[]>();
  readonly faults: SendFault[] = [];
  /** Called with each message the bot sends. */
  onSent: (message: SentMessage) => void = () => undefined;
  /** Calls with a token that is not the bot's. */
  strangers = 0;
  /** Bytes of files that were sent to the bot. */
  fileBytes = 0;
  /** Files by id that can be asked for but not fetched any more. */
  readonly lostFiles = new Set<string>();
  readonly #files = new Map<string, StoredFile>();
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  #port = 0;
  #lastMessage = 10;

  static async start(): Promise<TelegramServer> {
    const server = new TelegramServer();
    server.#server.keepAliveTimeout = KEEP_ALIVE_MS;
    server.#server.on('connection', (socket) => {
      server.#sockets.add(socket);
      socket.on('close', () => server.#sockets.delete(socket));
    });
    await server.listen();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Listens, again after `drop` at the same port. */
  async listen(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Cuts all connections and takes no more. */
  drop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  close(): void {
    this.updates.close();
    this.drop();
  }

  /** Somebody writes in a chat, which the bot knows from then on. `content` is the rest of the message. */
  post(chat: Chat, from: User | undefined, content: Partial<Message>): Update {
    this.know(chat);
    this.#lastMessage += 1;
    const rest = { message_id: this.#lastMessage, date: Math.floor(Date.now() / 1_000), chat, ...content };
    return this.updates.push({
      message: (from === undefined ? rest : { from, ...rest }) as Message & Update.NonChannel,
    });
  }

  know(chat: Chat): KnownChat {
    const known = this.chats.get(chat.id) ?? { chat, topics: new Set() };
    this.chats.set(chat.id, known);
    return known;
  }

  /** A file for a message: what Telegram says about it. `claimed`: the size it says. */
  file(
    data: Uint8Array,
    name: string,
    claimed = data.length,
  ): { file_id: string; file_unique_id: string; file_size: number } {
    const id = `file-${this.#files.size + 1}`;
    this.#files.set(id, { data, path: `documents/${id}${/\.\w+$/.exec(name)?.[0] ?? ''}`, claimed });
    return { file_id: id, file_unique_id: `unique-${id}`, file_size: claimed };
  }

  /** Somebody presses a button. Resolves with what they are shown. */
  async press(from: User, message: SentMessage, data: string): Promise<string> {
    const id = `query-${this.answers.size + 1}`;
    const answer = new Promise<string>((resolve) => this.answers.set(id, resolve));
    const { chat } = this.chats.get(message.chat)!;
    const topic = message.thread === undefined ? {} : { message_thread_id: message.thread, is_topic_message: true };
    const shown = { message_id: message.id, date: 1, chat, from: this.bot, text: message.text, ...topic };
    this.updates.push({
      callback_query: { id, from, message: shown as Message, chat_instance: 'instance', data },
    } as Omit<Update, 'update_id'>);
    return answer;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, file, token, rest] = /^\/(file\/)?bot([^/]*)\/(.*)$/.exec(request.url ?? '') ?? [];
    try {
      if (token !== this.token) {
        this.strangers += 1;
        throw /^\d+:[\w-]{30,}$/.test(token ?? '') ? new Refusal(401, 'Unauthorized') : new Refusal(404, 'Not Found');
      }
      if (file !== undefined) return this.#download(decodeURI(rest ?? ''), response);
      const parameters = await parametersOf(request);
      this.calls.set(rest!, (this.calls.get(rest!) ?? 0) + 1);
      const gone = new AbortController();
      response.on('close', () => gone.abort());
      const result = await this.#call(rest!, parameters, gone.signal);
      if (result === 'silence') return;
      if (result === 'cut') {
        request.socket.resetAndDestroy();
        return;
      }
      respond(response, 200, { ok: true, result });
    } catch (error) {
      const { code, message, parameters } = error instanceof Refusal ? error : new Refusal(500, String(error));
      respond(response, code, { ok: false, error_code: code, description: message, parameters });
    }
  }

  /** Throws a Refusal. */
  async #call(method: string, parameters: Parameters, gone: AbortSignal): Promise<unknown> {
    if (method === 'sendMessage' || method in FILE_METHODS) return this.#send(method, parameters);
    switch (method) {
      case 'getMe':
        return this.bot;
      case 'getUpdates':
        return this.#poll(parameters, gone);
      case 'deleteWebhook':
        this.updates.setWebhook(undefined);
        return true;
      case 'setWebhook':
        return this.#setWebhook(parameters);
      case 'getWebhookInfo':
        return {
          url: this.updates.webhook?.url ?? '',
          has_custom_certificate: false,
          pending_update_count: this.updates.pendingCount,
          last_error_date: this.updates.failure?.date,
          last_error_message: this.updates.failure?.message,
        };
      case 'getFile':
        return this.#getFile(parameters);
      case 'editMessageText':
      case 'editMessageCaption':
        return this.#edit(method, parameters);
      case 'sendChatAction': {
        const { chat } = this.#writable(parameters);
        this.actions.push({ chat: chat.id, thread: numeric(parameters.message_thread_id) });
        return true;
      }
      case 'setMessageReaction':
        return this.#react(parameters);
      case 'answerCallbackQuery': {
        const answer = this.answers.get(String(parameters.callback_query_id));
        if (answer === undefined) {
          throw bad('query is too old and response timeout expired or query ID is invalid');
        }
        answer(String(parameters.text ?? ''));
        return true;
      }
      default:
        throw new Refusal(404, 'Not Found: method not found');
    }
  }

  #poll({ offset, limit = 100, timeout = 0 }: Parameters, gone: AbortSignal): Promise<Update[]> {
    const from = numeric(offset);
    return this.updates.poll(from, Math.min(100, Number(limit)), Number(timeout), gone);
  }

  #setWebhook({ url, secret_token: secret = '' }: Parameters): true {
    // A server of one's own takes webhooks on loopback without TLS.
    if (!/^https:\/\/|^http:\/\/127\.0\.0\.1/.test(String(url))) {
      throw bad('bad webhook: An HTTPS URL must be provided for webhook');
    }
    if (!/^[\w-]{0,256}$/.test(String(secret))) throw bad('secret token contains unallowed characters');
    this.updates.setWebhook({ url: String(url), secret: String(secret) });
    return true;
  }

  #send(method: string, parameters: Parameters): Message | 'silence' | 'cut' {
    const fault = this.faults[0];
    if (fault !== undefined && fault !== 'formatting') {
      this.faults.shift();
      if (fault instanceof Refusal) throw fault;
      if (fault !== 'none') return fault;
    }
    const { chat, topics } = this.#writable(parameters);
    const thread = numeric(parameters.message_thread_id);
    if (thread !== undefined && !topics.has(thread)) throw bad('message thread not found');
    const { text, entities } = this.#text(method, parameters);
    const message: SentMessage = {
      id: this.#lastMessage + 1,
      chat: chat.id,
      thread,
      replyTo: this.#replyTo(parameters),
      text,
      entities,
      buttons: buttonsOf(parameters),
      file: fileOf(method, parameters),
    };
    this.#lastMessage += 1;
    this.sent.push(message);
    this.onSent(message);
    return this.#asMessage(message);
  }

  #react(parameters: Parameters): true {
    const { chat } = this.#writable(parameters);
    const message = numeric(parameters.message_id) ?? 0;
    if (message <= 0 || message > this.#lastMessage) throw bad('message to react not found');
    const reactions = parsed(parameters.reaction ?? []) as { type: string; emoji: string }[];
    // A bot may have one of Telegram's own.
    if (reactions.length > 1) throw bad('REACTIONS_TOO_MANY');
    if (reactions.some(({ type, emoji }) => type !== 'emoji' || !REACTIONS.has(emoji))) throw bad('REACTION_INVALID');
    this.reactions.set(
      `${chat.id}/${message}`,
      reactions.map(({ emoji }) => emoji),
    );
    return true;
  }

  #edit(method: string, parameters: Parameters): Message {
    const { chat } = this.#writable(parameters);
    const message = this.sent.find(({ id, chat: at }) => id === numeric(parameters.message_id) && at === chat.id);
    if (message === undefined) throw bad('message to edit not found');
    if (method === 'editMessageText' && message.file !== undefined)
      throw bad('there is no text in the message to edit');
    const { text, entities } = this.#text(method, parameters);
    const buttons = buttonsOf(parameters);
    const { text: before, entities: looked, buttons: had } = message;
    if (JSON.stringify([text, entities, buttons]) === JSON.stringify([before, looked, had])) {
      throw bad(
        'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
      );
    }
    Object.assign(message, { text, entities, buttons });
    return this.#asMessage(message);
  }

  #asMessage({ id, chat, text }: SentMessage): Message {
    const date = Math.floor(Date.now() / 1_000);
    return { message_id: id, date, chat: this.chats.get(chat)!.chat, from: this.bot, text } as Message;
  }

  #writable({ chat_id: id }: Parameters): KnownChat {
    const known = this.chats.get(Number(id));
    if (known === undefined) throw bad('chat not found');
    if (known.refusal !== undefined) throw known.refusal;
    return known;
  }

  /** The text, or caption, that a call asks for, with its formatting. */
  #text(method: string, parameters: Parameters): { text: string; entities: MessageEntity[] } {
    const isCaption = method in FILE_METHODS || method === 'editMessageCaption';
    const raw = String((isCaption ? parameters.caption : parameters.text) ?? '');
    const { parse_mode: mode } = parameters;
    if (this.faults[0] === 'formatting' && mode === undefined) this.faults.shift();
    let parsed = trimmed(raw);
    if (mode !== undefined) {
      if (mode !== 'HTML') throw bad('unsupported parse_mode');
      if (this.faults[0] === 'formatting')
        throw bad('can\'t parse entities: Unsupported start tag "x" at byte offset 0');
      try {
        parsed = parseHtml(raw);
      } catch (error) {
        throw bad(`can't parse entities: ${(error as Error).message}`);
      }
    }
    if (!isCaption && parsed.text === '') throw bad('message text is empty');
    if (parsed.text.length > (isCaption ? CAPTION_LENGTH_MAX : TEXT_LENGTH_MAX)) {
      throw bad(isCaption ? 'message caption is too long' : 'message is too long');
    }
    return parsed;
  }

  #replyTo({ reply_parameters: reply }: Parameters): number | undefined {
    if (reply === undefined) return undefined;
    const { message_id: id, allow_sending_without_reply: anyway } = parsed(reply) as {
      message_id: number;
      allow_sending_without_reply?: boolean;
    };
    if (id <= this.#lastMessage) return id;
    if (anyway !== true) throw bad('message to be replied not found');
    return undefined;
  }

  #getFile({ file_id: id }: Parameters): unknown {
    const file = this.#files.get(String(id));
    if (file === undefined) throw bad('invalid file_id');
    if ((file.claimed ?? 0) > DOWNLOAD_BYTES_MAX) throw bad('file is too big');
    return { file_id: id, file_unique_id: `unique-${id}`, file_size: file.claimed, file_path: file.path };
  }

  #download(path: string, response: ServerResponse): void {
    const [id = '', file] = [...this.#files].find(([, stored]) => stored.path === path) ?? [];
    if (file === undefined || this.lostFiles.has(id)) throw new Refusal(404, 'Not Found');
    const { data, claimed } = file;
    // A size that is not the true one is nowhere: whoever reads must count.
    response.writeHead(200, claimed === data.length ? { 'content-length': data.length } : {});
    const pieces = function* (server: TelegramServer): Iterable<Uint8Array> {
      for (let at = 0; at < data.length; at += 65_536) {
        const piece = data.subarray(at, at + 65_536);
        server.fileBytes += piece.length;
        yield piece;
      }
    };
    Readable.from(pieces(this), { objectMode: false }).pipe(response);
  }
}

function respond(response: ServerResponse, status: number, body: object): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
