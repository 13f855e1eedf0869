/** Messages to Telegram: texts, files, edits, typing. Each is tried once, and once more where its formatting is refused. */
import { InputFile, type RawApi } from 'grammy';
import type { InlineKeyboardMarkup } from 'grammy/types';
import { ChannelError, type Chat, type OutboundAttachment, type OutboundMessage, type Sent } from '../adapter.ts';
import type { GrammySignal, TelegramClient } from './connect.ts';
import { isFormattingFault, isPhotoFault, isUnchanged, isWithoutText } from './failure.ts';
import { GENERAL_TOPIC } from './normalize.ts';
import { render } from './render.ts';

/** Longest text of a message and of what stands under a file, in UTF-16 code units after formatting. */
export const TEXT_LENGTH_MAX = 4_096;
const CAPTION_LENGTH_MAX = 1_024;
/** Largest file a bot may send. */
export const FILE_BYTES_MAX = 50 * 1024 * 1024;
/** Largest picture that is shown as one; a larger one is sent as a file. */
const PHOTO_BYTES_MAX = 10 * 1024 * 1024;
/** Messages of two parts of which the second is still to be sent: so many are remembered for their next try. */
const HALVES_MAX = 1_000;

/** What all calls that send have in common. */
interface Target {
  readonly chat_id: string;
  readonly message_thread_id?: number;
  readonly reply_parameters?: { message_id: number; allow_sending_without_reply: true };
  readonly reply_markup?: InlineKeyboardMarkup;
}

/** A text and how Telegram is to read it. */
interface Form {
  readonly text: string;
  readonly mode: { parse_mode?: 'HTML' };
}

export class TelegramSender {
  readonly #client: TelegramClient;
  /** Of messages whose text did not fit under their file: the id of the text that was sent, by key. */
  readonly #halves = new Map<string, string>();

  constructor(client: TelegramClient) {
    this.#client = client;
  }

  /** Throws a ChannelError. */
  async send(message: OutboundMessage, signal: AbortSignal): Promise<Sent> {
    const { attachment, text } = message;
    const target = targetOf(message);
    if (attachment === undefined) return this.#sendText(target, text, signal);
    if (attachment.data.byteLength > FILE_BYTES_MAX) {
      throw new ChannelError(
        'too_large',
        `Telegram takes files of ${FILE_BYTES_MAX} bytes, and "${attachment.name}" has more`,
      );
    }
    const caption = [text, attachment.caption ?? ''].filter((part) => part !== '').join('\n\n');
    if (caption.length <= CAPTION_LENGTH_MAX) return this.#sendFile(target, attachment, caption, signal);
    return this.#sendHalves(message.key, target, attachment, caption, signal);
  }

  /** Throws a ChannelError, but not when the message is like that already. */
  async edit(
    chat: Chat,
    message: string,
    markdown: string,
    buttons: OutboundMessage['buttons'],
    signal: AbortSignal,
  ): Promise<void> {
    const target = { chat_id: chat.id, message_id: numberOf(message, 'message'), ...keyboard(buttons) };
    await this.#client.call('an edit', signal, async (api, sign) => {
      try {
        await formatted(markdown, TEXT_LENGTH_MAX, ({ text, mode }) =>
          api.editMessageText({ ...target, ...mode, text }, sign),
        ).catch((error: unknown) => {
          if (!isWithoutText(error)) throw error;
          return formatted(markdown, CAPTION_LENGTH_MAX, ({ text, mode }) =>
            api.editMessageCaption({ ...target, ...mode, caption: text }, sign),
          );
        });
      } catch (error) {
        if (!isUnchanged(error)) throw error;
      }
    });
  }

  /** Throws a ChannelError. */
  async typing({ id, thread }: Chat, signal: AbortSignal): Promise<void> {
    // Unlike a message it must name the general topic too, or nobody there sees it.
    const topic = thread === undefined ? {} : { message_thread_id: numberOf(thread, 'topic') };
    await this.#client.call('typing', signal, (api, sign) =>
      api.sendChatAction({ chat_id: id, action: 'typing', ...topic }, sign),
    );
  }

  #sendText(target: Target, markdown: string, signal: AbortSignal): Promise<Sent> {
    return this.#client.call('a message', signal, async (api, sign) =>
      sentAs(
        await formatted(markdown, TEXT_LENGTH_MAX, ({ text, mode }) =>
          api.sendMessage({ ...target, ...mode, text }, sign),
        ),
      ),
    );
  }

  #sendFile(target: Target, file: OutboundAttachment, caption: string, signal: AbortSignal): Promise<Sent> {
    const method = methodOf(file);
    return this.#client.call('a file', signal, async (api, sign) =>
      sentAs(
        await formatted(caption, CAPTION_LENGTH_MAX, async ({ text, mode }) => {
          const all = { ...target, ...mode, caption: text };
          try {
            return await upload(api, method, all, file, sign);
          } catch (error) {
            // A picture that is too wide, or that Telegram cannot read, can still be sent as a file.
            if (method !== 'sendPhoto' || !isPhotoFault(error)) throw error;
            return await upload(api, 'sendDocument', all, file, sign);
          }
        }),
      ),
    );
  }

  /** The text by itself, then the file; where the file failed, the next try sends only it. The id is the text's. */
  async #sendHalves(
    key: string,
    target: Target,
    file: OutboundAttachment,
    markdown: string,
    signal: AbortSignal,
  ): Promise<Sent> {
    const message = this.#halves.get(key) ?? (await this.#sendText(target, markdown, signal)).message;
    this.#halves.set(key, message);
    if (this.#halves.size > HALVES_MAX) this.#halves.delete(this.#halves.keys().next().value!);
    const { reply_markup: _, ...rest } = target;
    await this.#sendFile(rest, file, '', signal);
    this.#halves.delete(key);
    return { message };
  }
}

/** What `call` gives for the text rendered, or as it is where Telegram does not take our formatting of it. */
async function formatted<T>(markdown: string, lengthMax: number, call: (form: Form) => Promise<T>): Promise<T> {
  const { text, html } = render(markdown, lengthMax);
  try {
    return await call({ text, mode: html ? { parse_mode: 'HTML' } : {} });
  } catch (error) {
    if (!html || !isFormattingFault(error)) throw error;
    return await call({ text: markdown, mode: {} });
  }
}

function targetOf({ chat, replyTo, buttons }: OutboundMessage): Target {
  return {
    chat_id: chat.id,
    // The general topic has a number, but a message that names it is refused.
    ...(chat.thread === undefined || chat.thread === GENERAL_TOPIC
      ? {}
      : { message_thread_id: numberOf(chat.thread, 'topic') }),
    ...(replyTo === undefined
      ? {}
      : { reply_parameters: { message_id: numberOf(replyTo, 'message'), allow_sending_without_reply: true } }),
    ...keyboard(buttons),
  };
}

function keyboard(buttons: OutboundMessage['buttons']): Pick<Target, 'reply_markup'> {
  if (buttons === undefined || buttons.length === 0) return {};
  const inline_keyboard = buttons.map((row) =>
    row.map(({ label, data, style }) => ({
      text: label,
      callback_data: data,
      ...(style === undefined ? {} : { style }),
    })),
  );
  return { reply_markup: { inline_keyboard } };
}

function numberOf(id: string, what: string): number {
  const number = Number(id);
  if (!Number.isSafeInteger(number) || number <= 0)
    throw new ChannelError('rejected', `"${id}" is no Telegram ${what}`);
  return number;
}

function sentAs({ message_id }: { message_id: number }): Sent {
  return { message: String(message_id) };
}

type Method = 'sendPhoto' | 'sendAnimation' | 'sendVoice' | 'sendAudio' | 'sendVideo' | 'sendDocument';

/** By which call people see the file best: Telegram shows and plays only the formats it knows. */
function methodOf({ kind, mediaType, data }: OutboundAttachment): Method {
  if (mediaType === 'image/gif') return 'sendAnimation';
  if (kind === 'image' && /jpeg|png|webp/.test(mediaType) && data.byteLength <= PHOTO_BYTES_MAX) return 'sendPhoto';
  if (kind === 'audio' && /ogg|opus/.test(mediaType)) return 'sendVoice';
  if (kind === 'audio' && /mpeg|mp3|mp4|m4a/.test(mediaType)) return 'sendAudio';
  return kind === 'video' && /mp4/.test(mediaType) ? 'sendVideo' : 'sendDocument';
}

function upload(
  api: RawApi,
  method: Method,
  all: Target & { caption: string },
  { name, data }: OutboundAttachment,
  sign: GrammySignal,
): Promise<{ message_id: number }> {
  // grammY writes the name into a header as it is.
  const file = new InputFile(data, name.replace(/[^\p{L}\p{N} ._()+-]/gu, '_'));
  switch (method) {
    case 'sendPhoto':
      return api.sendPhoto({ ...all, photo: file }, sign);
    case 'sendAnimation':
      return api.sendAnimation({ ...all, animation: file }, sign);
    case 'sendVoice':
      return api.sendVoice({ ...all, voice: file }, sign);
    case 'sendAudio':
      return api.sendAudio({ ...all, audio: file }, sign);
    case 'sendVideo':
      return api.sendVideo({ ...all, video: file }, sign);
    default:
      return api.sendDocument({ ...all, document: file }, sign);
  }
}
