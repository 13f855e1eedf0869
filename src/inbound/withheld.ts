/**
 * What was said in groups and not to the bot, kept as context for the next message it answers there.
 *
 *     withheld.add(message)                       // for an admission of `withhold`
 *     withContext(withheld.before(message), text) // the text of a message that runs; not of a command
 *
 * In memory: a restart forgets it, since it was never promised to anybody and is worth no write for each line of a busy
 * group. Bounded by lines and characters of a chat, and by chats.
 */
import type { Chat, InboundMessage } from '../channels/adapter.ts';

/** The newest messages kept of one chat, and how many UTF-16 units of text in all, and of each. */
export const MESSAGES_MAX = 20;
export const CHAT_LENGTH_MAX = 8_000;
export const MESSAGE_LENGTH_MAX = 1_000;
/** Chats with withheld messages, at worst 16 MB; past it the one that was silent the longest is forgotten. */
export const CHATS_MAX = 1_000;
const NAME_LENGTH_MAX = 64;

/** A message as context: who said what. */
export interface WithheldMessage {
  readonly name: string;
  readonly text: string;
}

export class Withheld {
  /** By chat, the one that was silent the longest first. */
  readonly #chats = new Map<string, WithheldMessage[]>();

  add(message: InboundMessage): void {
    const text = textOf(message);
    if (text === '') return;
    const key = chatKey(message.chat);
    const kept = [...(this.#chats.get(key) ?? []), { name: nameOf(message), text }].slice(-MESSAGES_MAX);
    let length = kept.reduce((sum, line) => sum + line.text.length, 0);
    while (length > CHAT_LENGTH_MAX) length -= kept.shift()?.text.length ?? length;
    this.#chats.delete(key);
    this.#chats.set(key, kept);
    const [oldest] = this.#chats.keys();
    if (this.#chats.size > CHATS_MAX && oldest !== undefined) this.#chats.delete(oldest);
  }

  /** What was withheld before this message, oldest first: in its chat since the last time, or around the thread it begins. */
  before({ chat, beginsThread }: Pick<InboundMessage, 'chat' | 'beginsThread'>): readonly WithheldMessage[] {
    // It stays: other threads begin there too, and each is a conversation that knows nothing of it.
    if (beginsThread) return this.#chats.get(chatKey({ ...chat, thread: undefined })) ?? [];
    const key = chatKey(chat);
    const kept = this.#chats.get(key) ?? [];
    this.#chats.delete(key);
    return kept;
  }
}

/** A chat, or a thread in it, as a key of maps. */
export function chatKey({ id, thread }: Chat): string {
  return thread === undefined ? id : JSON.stringify([id, thread]);
}

/** The message with what was said before it. */
export function withContext(withheld: readonly WithheldMessage[], text: string): string {
  if (withheld.length === 0) return text;
  const lines = withheld.map((line) => `> ${line.name}: ${line.text.replaceAll('\n', '\n> ')}`);
  return ['Said in the group before, and not to you:', ...lines, '', text].join('\n');
}

function nameOf({ sender }: InboundMessage): string {
  const name = sender.name.replace(/\s+/g, ' ').trim().slice(0, NAME_LENGTH_MAX);
  return name === '' ? sender.id : name;
}

function textOf({ text, attachments }: InboundMessage): string {
  const cut = text.length <= MESSAGE_LENGTH_MAX ? text : `${text.slice(0, MESSAGE_LENGTH_MAX - 1).toWellFormed()}…`;
  return [cut.trim(), ...attachments.slice(0, 4).map(({ kind }) => `[${kind}]`)]
    .filter((part) => part !== '')
    .join(' ');
}
