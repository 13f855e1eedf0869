/**
 * The contract between a channel account and the gateway. An adapter is what knows one platform: it connects with the
 * platform's library, makes `InboundMessage`s of what comes and calls of the platform of what goes. Everything else is
 * the channel actor's (`actors/channel`): who may talk, which session it is, order, retries, cutting into pieces.
 *
 *   channel actor                adapter                        platform
 *   -------------                -------                        --------
 *   start(events)        ----->  connects             ----->
 *                        <-----  events.state('ready')
 *   events.receive(m)    <-----  normalised           <-----    an update
 *   its promise resolves ----->  the update is done   ----->    offset, 200, envelope ack
 *   send(message)        ----->  one message          ----->    resolves with its id, or throws a ChannelError
 *   edit · typing · react ---->                       ----->
 *   stop()               ----->  disconnects          ----->
 *
 * Every adapter is a folder `src/channels/<platform>/` with the same files: `adapter.ts` (createAdapter), `connect.ts`,
 * `normalize.ts`, `send.ts`, `render.ts` (Markdown to the platform's own), `failure.ts` (the platform's errors as
 * ChannelErrors). Its account's settings are a zod schema in `src/config/channels.ts`. The platform's library is imported
 * by these files only, and these files by `src/channels/adapters.ts` only, dynamically.
 *
 * All adapters pass `test/channels/adapter-suite.ts` against a local server of the platform's own protocol.
 */
import type { Logger } from 'pino';
import type { ChannelStatus } from '../protocol/messages.ts';

/**
 * `connecting` → `ready`; `degraded`: it works in part, or tries to come back by itself; `logged-out`: the credentials are
 * not good (any more), nothing is tried again until an operator acts; `stopped`: told to, or given up.
 */
export type ChannelState = ChannelStatus['state'];

/** What a platform can do. Lengths are in UTF-16 code units of Markdown text, times in milliseconds. */
export interface Capabilities {
  /** Longest text of one message. */
  readonly textLengthMax: number;
  /** Whether a sent message can be changed: streaming by edit is possible. */
  readonly edits: boolean;
  /** Least time between two edits of one message. */
  readonly editIntervalMs: number;
  /** How long a typing indicator is shown; 0: there is none. */
  readonly typingMs: number;
  readonly buttons: boolean;
  /** Whether the bot can react to messages; left out: it cannot. */
  readonly reactions?: boolean | undefined;
  /** Largest file that can be sent, in bytes; 0: none. */
  readonly fileBytesMax: number;
  /** A reply outside a thread begins one, which is a conversation of its own: answers there are no replies. */
  readonly repliesOpenThreads?: true;
  /** Two sends with the same `key` show one message, also after a crash between them: a lost answer may be sent again. */
  readonly detectsDuplicates: boolean;
}

/** A place on the platform where messages are. Ids are the platform's own, as strings. */
export interface Chat {
  readonly id: string;
  readonly type: 'dm' | 'group';
  /** The part of the chat it is in: Telegram's topic, Slack's thread. Its own conversation. (Discord's threads are chats.) */
  readonly thread?: string | undefined;
}

/** What is around a chat, for routing. */
export interface Surroundings {
  /** The chat a thread belongs to, where the platform gives threads ids of their own. */
  readonly parent?: string | undefined;
  /** Discord's server. */
  readonly guild?: string | undefined;
  /** Slack's workspace. */
  readonly team?: string | undefined;
  /** What people call the chat. */
  readonly title?: string | undefined;
}

export interface Sender {
  readonly id: string;
  /** What others see. */
  readonly name: string;
  /** The handle by which an allowlist may name them too, without `@`. */
  readonly username?: string | undefined;
  readonly bot: boolean;
}

/** One message (or command) of a person, as every platform's becomes. */
export interface InboundMessage {
  /** The platform's id of the update, unique in the account: the same one delivered again has the same. */
  readonly update: string;
  readonly chat: Chat;
  readonly surroundings: Surroundings;
  readonly sender: Sender;
  /** The platform's id of the message, to reply to. */
  readonly message: string;
  /** What was said, without the mention that addressed the bot. A command is `/name …` on every platform. */
  readonly text: string;
  /** Whether it is addressed to the bot: a mention, a reply to it, a command for it. Always true in a DM. */
  readonly addressed: boolean;
  /** It begins the thread it is in: it was said where the chat is no thread. */
  readonly beginsThread?: true | undefined;
  readonly attachments: readonly InboundAttachment[];
  /** The message it answers, where the platform says so. */
  readonly repliesTo?: { readonly message: string; readonly text?: string | undefined } | undefined;
  /** Milliseconds since the epoch, by the platform's clock. */
  readonly timestamp: number;
}

export type AttachmentKind = 'image' | 'audio' | 'video' | 'file';

/** A file that came with a message. It is fetched only when somebody wants it. */
export interface InboundAttachment {
  readonly kind: AttachmentKind;
  readonly name?: string | undefined;
  readonly mediaType?: string | undefined;
  /** As the platform says; undefined: it does not. */
  readonly bytes?: number | undefined;
  /** Its content. Throws a ChannelError when it is over `bytesMax`, also where the platform said otherwise. */
  load(bytesMax: number, signal: AbortSignal): Promise<Uint8Array>;
}

export interface OutboundAttachment {
  readonly kind: AttachmentKind;
  readonly name: string;
  readonly mediaType: string;
  readonly data: Uint8Array;
  readonly caption?: string | undefined;
}

/** A button under a message. `data` comes back when it is pressed: at most 64 bytes (Telegram's limit). */
export interface Button {
  readonly label: string;
  readonly data: string;
  readonly style?: 'primary' | 'danger' | undefined;
}

/** One message to the platform: already cut to `textLengthMax`. */
export interface OutboundMessage {
  readonly chat: Chat;
  /** Markdown; rendered as the platform's own formatting, or plain where that is refused. Empty only with an attachment. */
  readonly text: string;
  /** The platform's id of the message it answers. */
  readonly replyTo?: string | undefined;
  readonly buttons?: readonly (readonly Button[])[] | undefined;
  readonly attachment?: OutboundAttachment | undefined;
  /** The same with every try to send this message, and no other's: at most 25 characters of [0-9A-Za-z]. */
  readonly key: string;
}

/** A message that is on the platform. */
export interface Sent {
  /** The platform's id of it. */
  readonly message: string;
}

/** Somebody pressed a button. */
export interface Press {
  readonly update: string;
  readonly chat: Chat;
  readonly sender: Sender;
  /** The message with the button. */
  readonly message: string;
  readonly data: string;
}

/** What an adapter tells its account. */
export interface AdapterEvents {
  /**
   * Resolves when the message is on the disk, or will never be wanted: only then may the platform be told that it arrived.
   * Rejects when it could not be kept now: the platform should deliver it again.
   */
  receive(message: InboundMessage): Promise<void>;
  /** Resolves with what to show whoever pressed, at most 200 characters. Never rejects. */
  press(press: Press): Promise<string>;
  /** Tells the state, with its reason in a sentence an operator understands: no secrets in it. */
  state(state: ChannelState, reason?: string): void;
  /** Something came from the platform, message or not: the connection is seen to work inwards. */
  alive(): void;
  /** A pairing code to be shown to the operator as a QR code (WhatsApp); undefined: it is not good any more. */
  qr(code: string | undefined): void;
  readonly log: Logger;
}

/** A request to the account's webhook. `body` is the raw bytes, as a signature needs them. */
export interface WebhookRequest {
  readonly method: string;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

export interface WebhookResponse {
  readonly status: number;
  readonly body?: string | undefined;
  readonly contentType?: string | undefined;
}

/** One account on one platform. Made by `createAdapter(settings, context)` of its folder. */
export interface Adapter {
  readonly capabilities: Capabilities;
  /**
   * Connects. Resolves when it has begun; `events.state` tells the rest. Throws a ChannelError of kind `unauthorized` or
   * `rejected` when it is of no use to try again; any other error is tried again with backoff by the channel actor. What
   * breaks later is mended by the adapter itself (its library), or told by `state('degraded' | 'logged-out', …)`.
   */
  start(events: AdapterEvents): Promise<void>;
  /** Disconnects; nothing is received afterwards, what is being received may end. Never throws. */
  stop(): Promise<void>;
  /** Throws a ChannelError. Makes one try: the outbox tries again. */
  send(message: OutboundMessage, signal: AbortSignal): Promise<Sent>;
  /** Changes the text (and buttons: none means none) of a message of ours. A text that is the same already is fine. */
  edit?(
    chat: Chat,
    message: string,
    text: string,
    buttons: OutboundMessage['buttons'],
    signal: AbortSignal,
  ): Promise<void>;
  /**
   * Reacts to a message of somebody's with an emoji, of those the platform has for it; the same again is fine. Throws a
   * ChannelError, `rejected` for any other emoji.
   */
  react?(chat: Chat, message: string, emoji: string, signal: AbortSignal): Promise<void>;
  /** Shows that an answer is being made. Never throws. */
  typing?(chat: Chat): Promise<void>;
  /** Answers a request to the account's webhook; must verify that it is the platform's before anything else. Never throws. */
  webhook?(request: WebhookRequest): Promise<WebhookResponse>;
}

/** What an adapter is given besides its settings. */
export interface AdapterContext {
  /** The account's name in the configuration. */
  readonly account: string;
  /** A folder of the account's own, mode 0700, for credentials that change (WhatsApp). Made when it is used. */
  readonly folder: string;
  readonly log: Logger;
  /** Aborted when the gateway stops at once. */
  readonly signal: AbortSignal;
}

/**
 * - `rate_limited`: the platform wants us to wait `retryAfterMs`. Nothing was sent.
 * - `temporary`: nothing was sent, and a later try may work (5xx before anything was done, network down).
 * - `rejected`: the platform will never take this (bad request, too long, no right to write there).
 * - `gone`: the chat is not there, or blocked us. `movedTo`: it has this id now.
 * - `unauthorized`: the credentials are not good.
 * - `too_large`: a file over the limit.
 * - `unknown`: whether it was sent is not known (the connection broke after the request was out).
 */
export type ChannelErrorKind =
  | 'rate_limited'
  | 'temporary'
  | 'rejected'
  | 'gone'
  | 'unauthorized'
  | 'too_large'
  | 'unknown';

/** What went wrong with a platform, in its own words but without secrets: a token is part of Telegram's URLs. */
export class ChannelError extends Error {
  override readonly name = 'ChannelError';
  readonly kind: ChannelErrorKind;
  readonly retryAfterMs: number | undefined;
  readonly movedTo: string | undefined;

  constructor(
    kind: ChannelErrorKind,
    message: string,
    options: { retryAfterMs?: number | undefined; movedTo?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.retryAfterMs = options.retryAfterMs;
    this.movedTo = options.movedTo;
  }
}
