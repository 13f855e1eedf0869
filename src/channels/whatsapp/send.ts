/**
 * Messages to WhatsApp. The id of one is ours to choose, and made of its key: sent again it is the same message, which the
 * apps show once (a chat has one message of a direction and id; their databases have a unique index on it, and WhatsApp's own
 * clients repeat an unacknowledged message in the same way).
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { AnyMessageContent, BinaryNode, proto, WAMessage, WAMessageKey } from '@whiskeysockets/baileys';
import type { Logger } from 'pino';
import { ChannelError, type Chat, type InboundMessage, type OutboundMessage, type Sent } from '../adapter.ts';
import type { Connection } from './connect.ts';
import type { Credentials } from './credentials.ts';
import { failureOf, refusalOf } from './failure.ts';
import { isGroup, isPhone, jidOf } from './jid.ts';
import type { Baileys, Socket } from './library.ts';
import { tooLarge } from './media.ts';
import { render } from './render.ts';

/** WhatsApp takes 65,536 characters and folds all but the beginning; this is the limit of its API for businesses. */
export const TEXT_LENGTH_MAX = 4_096;
/** WhatsApp takes documents of 2 GB; they go through memory here. */
export const FILE_BYTES_MAX = 64 * 1024 * 1024;
/** The apps take an edit for so long after the message. */
const EDIT_MS = 15 * 60 * 1_000;
/** How long WhatsApp may take to acknowledge a message. */
const ACKNOWLEDGE_MS = 30_000;
/** How many messages are kept in memory to be quoted, or encrypted again for a device that could not read them. */
const KEPT_MAX = 1_000;
const QUOTE_LENGTH_MAX = 500;
/** The lookups before a message, and the upload of its file. */
const LOOKUP_MS = 60_000;
const UPLOAD_MS = 5 * 60_000;
/** Kinds that the apps show as what they are; others go as documents. */
const SHOWN = {
  image: /^image\/(jpeg|png|webp)$/,
  video: /^video\/mp4$/,
  audio: /^audio\//,
  file: undefined,
} as const;
const VOICE_NOTE = /^audio\/ogg/;

/** A message on its way. */
interface Parcel {
  readonly jid: string;
  readonly id: string;
  readonly chat: Chat;
  makeContent(): Promise<AnyMessageContent>;
  readonly quoted?: { readonly quoted: WAMessage };
}

export class Dispatch {
  readonly #baileys: Baileys;
  readonly #credentials: Credentials;
  readonly #connection: Connection;
  readonly #log: Logger;
  readonly #received = new Kept<{ readonly participant: string; readonly text: string }>();
  readonly #sent = new Kept<proto.IMessage>();
  /** Chats that are known to be there. */
  readonly #reachable = new Kept<true>();

  constructor(baileys: Baileys, credentials: Credentials, connection: Connection, log: Logger) {
    this.#baileys = baileys;
    this.#log = log;
    this.#credentials = credentials;
    this.#connection = connection;
  }

  /** A message came: it can be answered, and so can its chat. */
  received({ chat, text }: InboundMessage, key: WAMessageKey): void {
    this.#reachable.set(chat.id, true);
    const participant = key.participant || key.remoteJid!;
    this.#received.set(key.id!, { participant, text: text.slice(0, QUOTE_LENGTH_MAX) });
  }

  /** A message of ours, for baileys, which is asked for it by a device that could not read it. */
  sent(id: string | null | undefined): proto.IMessage | undefined {
    return this.#sent.get(id ?? '');
  }

  async send(message: OutboundMessage, signal: AbortSignal): Promise<Sent> {
    const { chat, text, attachment, replyTo } = message;
    if (text.length > TEXT_LENGTH_MAX) {
      throw new ChannelError('rejected', `the text has more than ${TEXT_LENGTH_MAX} characters`);
    }
    if (attachment && attachment.data.length > FILE_BYTES_MAX) throw tooLarge(FILE_BYTES_MAX);
    const jid = jidOf(chat.id);
    const id = idOf(message.key);
    const makeContent = async (): Promise<AnyMessageContent> =>
      attachment ? fileContent(this.#baileys, message) : { text: render(text), linkPreview: null };
    const quoted = replyTo === undefined ? undefined : this.#quoted(jid, replyTo);
    await this.#relay({ jid, id, chat, makeContent, ...(quoted && { quoted: { quoted } }) }, signal);
    this.#note(id);
    return { message: id };
  }

  #note(id: string): void {
    try {
      this.#credentials.noteSent(id, EDIT_MS);
    } catch (error) {
      this.#log.warn({ error, message: id }, 'a message was sent, but will not be known as ours: it cannot be changed');
    }
  }

  /** Another text for a message of ours. The apps take no notice of an edit that comes too late, so it is refused here. */
  async edit(chat: Chat, message: string, text: string, signal: AbortSignal): Promise<void> {
    if (text.length > TEXT_LENGTH_MAX) {
      throw new ChannelError('rejected', `the text has more than ${TEXT_LENGTH_MAX} characters`);
    }
    const sentAt = this.#credentials.sentAt(message);
    if (sentAt === undefined || Date.now() - sentAt > EDIT_MS) {
      throw new ChannelError('rejected', 'only a message of the last 15 minutes can be changed');
    }
    const jid = jidOf(chat.id);
    const edit = { remoteJid: jid, fromMe: true, id: message };
    const id = this.#baileys.generateMessageIDV2();
    const makeContent = async () => ({ text: render(text), linkPreview: null, edit });
    await this.#relay({ jid, id, chat, makeContent }, signal);
  }

  /** Sends it, and waits until WhatsApp has it. */
  async #relay({ jid, id, chat, makeContent, quoted }: Parcel, signal: AbortSignal): Promise<void> {
    await this.#connection.settled(signal);
    const { socket, lost } = this.#connection.ready();
    const over = AbortSignal.any([signal, lost]);
    let out = false;
    try {
      await until(AbortSignal.any([over, AbortSignal.timeout(LOOKUP_MS)]), this.#checkReachable(socket, jid, chat));
      const content = await until(over, makeContent());
      const limit = AbortSignal.any([over, AbortSignal.timeout(LOOKUP_MS + UPLOAD_MS)]);
      // Baileys is done when the message is out; what comes back under its id is WhatsApp's word.
      const acknowledged = once(socket.ws, `TAG:${id}`, { signal: over });
      acknowledged.catch(() => undefined);
      out = true;
      const { message } = (await until(limit, socket.sendMessage(jid, content, { messageId: id, ...quoted })))!;
      this.#sent.set(id, message!);
      const [{ attrs }] = (await until(AbortSignal.timeout(ACKNOWLEDGE_MS), acknowledged)) as [BinaryNode];
      if (attrs.error !== undefined) throw refusalOf(attrs.error);
    } catch (error) {
      const cut = over.aborted || (error as Error).name === 'TimeoutError';
      if (error instanceof ChannelError || !cut) throw failureOf(error);
      throw out ? this.#cut(signal) : new ChannelError('temporary', 'it was given up before it was sent');
    }
  }

  /** It was given up, or the connection ended, between the message and its acknowledgement. */
  #cut(signal: AbortSignal): ChannelError {
    if (!signal.aborted) {
      try {
        this.#connection.ready();
      } catch (error) {
        if (error instanceof ChannelError && error.kind === 'unauthorized') return error;
      }
    }
    return new ChannelError('unknown', 'WhatsApp did not say whether it has the message');
  }

  /** A message to a number without WhatsApp would be taken, and reach only the owner's own phone. */
  async #checkReachable(socket: Socket, jid: string, chat: Chat): Promise<void> {
    if (!isPhone(jid) || this.#reachable.get(chat.id)) return;
    const [found] = (await socket.onWhatsApp(jid)) ?? [];
    if (!found?.exists) throw new ChannelError('gone', 'this number is not on WhatsApp');
    this.#reachable.set(chat.id, true);
  }

  /** A message to answer, as far as it is known. In a group one must say whose it is. */
  #quoted(jid: string, id: string): WAMessage | undefined {
    const known = this.#received.get(id);
    if (!known && isGroup(jid)) return undefined;
    const key = {
      remoteJid: jid,
      id,
      fromMe: this.#sent.get(id) !== undefined,
      participant: known?.participant ?? jid,
    };
    return { key, message: { conversation: known?.text ?? '' } };
  }
}

/** The last so many of something by their ids. */
class Kept<T> {
  readonly #entries = new Map<string, T>();

  get(id: string): T | undefined {
    return this.#entries.get(id);
  }

  set(id: string, entry: T): void {
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    if (this.#entries.size > KEPT_MAX) this.#entries.delete(this.#entries.keys().next().value!);
  }
}

/** In the form of WhatsApp Web's own ids. */
function idOf(key: string): string {
  return `3EB0${createHash('sha256').update(key).digest('hex').slice(0, 18).toUpperCase()}`;
}

/** The promise's value, or what `signal` was aborted with. */
async function until<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/**
 * Preview, size and length are found out here, in memory: baileys would write the file to the disk for them, readable for
 * every user of the machine.
 */
async function fileContent(baileys: Baileys, { text, attachment }: OutboundMessage): Promise<AnyMessageContent> {
  const { kind, name, mediaType, data, caption = '' } = attachment!;
  const file = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const words = render([text, caption].filter((part) => part !== '').join('\n\n'));
  // Sound has no caption on WhatsApp, but a document may be sound.
  const shown = SHOWN[kind]?.test(mediaType) && !(kind === 'audio' && words !== '');
  if (shown && kind === 'image') {
    const thumbnail = await baileys.extractImageThumb(file).catch(() => undefined);
    const { width, height } = thumbnail?.original ?? {};
    const size = width && height ? { width, height } : {};
    const jpegThumbnail = thumbnail?.buffer.toString('base64') ?? '';
    return { image: file, mimetype: mediaType, caption: words, jpegThumbnail, ...size };
  }
  if (shown && kind === 'video') return { video: file, mimetype: mediaType, caption: words, jpegThumbnail: '' };
  if (shown && kind === 'audio') {
    const seconds = (await baileys.getAudioDuration(file).catch(() => undefined)) ?? 0;
    return { audio: file, mimetype: mediaType, ptt: VOICE_NOTE.test(mediaType), seconds: Math.round(seconds) };
  }
  return { document: file, mimetype: mediaType, fileName: name, caption: words };
}
