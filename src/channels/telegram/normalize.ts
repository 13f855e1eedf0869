/** Telegram's updates as messages and presses of the contract. What is of no concern to a bot that chats is undefined. */
import type { Message, MessageEntity, Chat as TelegramChat, Update, User } from 'grammy/types';
import type { AttachmentKind, Chat, InboundAttachment, InboundMessage, Press, Sender } from '../adapter.ts';

/** The updates Telegram is asked for. Edits, posts of channels, joins and the rest never come. */
export const ALLOWED_UPDATES = ['message', 'callback_query'] as const;

/** What the bot is called, and by which number it is known. */
export interface Self {
  readonly id: number;
  readonly username: string;
}

/** A file of Telegram's that may be fetched. */
export interface RemoteFile {
  readonly id: string;
  readonly bytes: number | undefined;
}

export type LoadFile = (file: RemoteFile, bytesMax: number, signal: AbortSignal) => Promise<Uint8Array>;

/** The topic every forum has, whose messages carry no topic. Sending to it by this number is refused: send.ts leaves it out. */
export const GENERAL_TOPIC = '1';

/**
 * The message of an update. Undefined: none (a channel's post, an edit, somebody joined), the bot's own, one a channel
 * forwards by itself, or a command for another bot.
 */
export function toInbound(update: Update, self: Self, load: LoadFile): InboundMessage | undefined {
  const { message } = update;
  if (message === undefined || message.is_automatic_forward) return undefined;
  const sender = senderOf(message);
  if (sender === undefined || sender.id === String(self.id)) return undefined;
  const attachments = attachmentsOf(message, load);
  const written = textOf(message);
  if (written === undefined && attachments.length === 0) return undefined;

  const said = withoutAddress(written ?? '', message.entities ?? message.caption_entities ?? [], self);
  const dm = message.chat.type === 'private';
  if (said.forAnother && !dm) return undefined;
  const answered = answeredBy(message);
  return {
    update: String(update.update_id),
    chat: chatOf(message),
    surroundings: { title: message.chat.title },
    sender,
    message: String(message.message_id),
    text: said.text,
    addressed: dm || said.addressed || answered?.from?.id === self.id,
    attachments,
    repliesTo:
      answered === undefined
        ? undefined
        : { message: String(answered.message_id), text: message.quote?.text ?? answered.text ?? answered.caption },
    timestamp: message.date * 1_000,
  };
}

/** The press of an update: undefined if there is none, or of a button that is not ours (a game's, an inline message's). */
export function toPress(update: Update): Press | undefined {
  const query = update.callback_query;
  if (query?.data === undefined || query.message === undefined) return undefined;
  const { message, from, data } = query;
  return {
    update: String(update.update_id),
    chat: chatOf(message),
    sender: personOf(from),
    message: String(message.message_id),
    data,
  };
}

/** What a migration says: the old id and the new one of a group that became a supergroup. */
export function migrationOf({ message }: Update): { from: string; to: string } | undefined {
  if (message?.migrate_to_chat_id === undefined) return undefined;
  return { from: String(message.chat.id), to: String(message.migrate_to_chat_id) };
}

type Placed = Pick<Message, 'message_thread_id' | 'is_topic_message'> & { readonly chat: TelegramChat };

function chatOf(message: Placed | { chat: TelegramChat }): Chat {
  const { chat } = message;
  const base = { id: String(chat.id), type: chat.type === 'private' ? ('dm' as const) : ('group' as const) };
  // In a group without topics the number of a thread is only the message that a discussion began with.
  const inTopic = 'is_topic_message' in message && message.is_topic_message === true;
  const topic = inTopic ? message.message_thread_id : undefined;
  if (topic !== undefined) return { ...base, thread: String(topic) };
  return chat.is_forum === true ? { ...base, thread: GENERAL_TOPIC } : base;
}

function senderOf(message: Message): Sender | undefined {
  // Somebody who writes as a group or channel: an anonymous administrator. `from` is a bot that stands for all of them.
  const { sender_chat: as, from } = message;
  if (as !== undefined) return { id: String(as.id), name: as.title ?? 'anonymous', username: as.username, bot: false };
  return from === undefined ? undefined : personOf(from);
}

function personOf({ id, first_name, last_name, username, is_bot }: User): Sender {
  return { id: String(id), name: [first_name, last_name].filter(Boolean).join(' '), username, bot: is_bot };
}

/** The message it answers. In a topic every message "answers" the one that made the topic, unless it answers another. */
function answeredBy({ reply_to_message: answered, message_thread_id, is_topic_message }: Message): Message | undefined {
  return is_topic_message === true && answered?.message_id === message_thread_id ? undefined : answered;
}

function textOf(message: Message): string | undefined {
  const { text, caption, sticker, location, contact } = message;
  if (text !== undefined || caption !== undefined) return text ?? caption;
  if (sticker !== undefined) return sticker.emoji ?? '';
  if (location !== undefined) return `[location: ${location.latitude}, ${location.longitude}]`;
  if (contact !== undefined)
    return `[contact: ${contact.first_name} ${contact.last_name ?? ''} ${contact.phone_number}]`;
  return undefined;
}

/**
 * The text without what addressed the bot. Entities say where in it, in UTF-16 code units, as JavaScript counts.
 * `forAnother`: it is a command that names another bot.
 */
function withoutAddress(
  text: string,
  entities: readonly MessageEntity[],
  self: Self,
): { text: string; addressed: boolean; forAnother: boolean } {
  const name = `@${self.username.toLowerCase()}`;
  let rest = text;
  let addressed = false;
  let forAnother = false;
  for (const entity of entities.toSorted((a, b) => b.offset - a.offset)) {
    const { offset, length, type } = entity;
    const words = text.slice(offset, offset + length);
    if (type === 'bot_command' && offset === 0) {
      const at = words.indexOf('@');
      const ours = at < 0 || words.slice(at).toLowerCase() === name;
      if (ours) addressed = true;
      else forAnother = true;
      if (ours && at >= 0) rest = cut(rest, at, length);
    } else if (
      (type === 'mention' && words.toLowerCase() === name) ||
      (type === 'text_mention' && entity.user.id === self.id)
    ) {
      addressed = true;
      rest = withoutMention(rest, offset, offset + length);
    }
  }
  return { text: addressed ? rest.trim() : rest, addressed, forAnother };
}

/** Takes one of the spaces around it too, and before a comma that would be left alone both. */
function withoutMention(text: string, start: number, end: number): string {
  const before = text.slice(0, start);
  const after = text.slice(end);
  if (before.trim() === '') return after.replace(/^\s*[,:]?\s+/, '');
  if (/^[,.:;!?]/.test(after)) return before.trimEnd() + after;
  return /\s$/.test(before) ? before + after.replace(/^[ \t]/, '') : before + after;
}

function cut(text: string, start: number, end: number): string {
  return text.slice(0, start) + text.slice(end);
}

interface TelegramFile {
  readonly file_id: string;
  readonly file_size?: number | undefined;
  readonly file_name?: string | undefined;
  readonly mime_type?: string | undefined;
}

function attachmentsOf(message: Message, load: LoadFile): InboundAttachment[] {
  const { photo, animation, document, voice, audio, video, video_note: note, sticker } = message;
  const make = (file: TelegramFile | undefined, mediaType?: string, kind = kindOf(file?.mime_type ?? mediaType)) => {
    if (file === undefined) return [];
    const remote: RemoteFile = { id: file.file_id, bytes: file.file_size };
    return [
      {
        kind,
        name: file.file_name,
        mediaType: file.mime_type ?? mediaType,
        bytes: remote.bytes,
        load: (bytesMax: number, signal: AbortSignal) => load(remote, bytesMax, signal),
      },
    ];
  };
  // Telegram gives every size of a photo, and for an animation the document too.
  return [
    ...make(photo?.toSorted((a, b) => a.width * a.height - b.width * b.height).at(-1), 'image/jpeg'),
    ...make(animation, 'video/mp4'),
    ...(animation === undefined ? make(document) : []),
    ...make(voice, 'audio/ogg'),
    ...make(audio, 'audio/mpeg'),
    ...make(video, 'video/mp4'),
    ...make(note, 'video/mp4'),
    ...make(sticker?.is_animated ? undefined : sticker, sticker?.is_video ? 'video/webm' : 'image/webp'),
  ];
}

function kindOf(mediaType = ''): AttachmentKind {
  const [family] = mediaType.split('/');
  return family === 'image' || family === 'audio' || family === 'video' ? family : 'file';
}
