/**
 * Slack's messages, slash commands and presses as those of every channel.
 *
 * What is one conversation: a DM; a thread; a channel or group DM outside of its threads. A message that mentions the bot
 * outside of threads begins a thread, as people do it at Slack, so its answer and what follows are a conversation of their
 * own, out of the way of the others in the channel.
 */
import type { Chat, InboundAttachment, InboundMessage, Press, Sender } from '../adapter.ts';
import type { SlackApi } from './api.ts';
import { inboundAttachment, type SlackFile } from './attachment.ts';
import type { Directory } from './directory.ts';
import { mentions, plainText, readable, withoutMention } from './words.ts';

/** Messages with these subtypes, and with none, say something; others tell of joins, edits, deletions, topics. */
const SAID = new Set(['file_share', 'thread_broadcast', 'bot_message', 'me_message']);
/** What previews and forwarded messages add to a text at most, in characters. */
const EXTRAS_LENGTH_MAX = 4_000;

/** The bot, as `auth.test` tells. */
export interface Self {
  readonly user: string;
  /** Its id as a bot, by which some events name who wrote. */
  readonly bot: string;
  readonly team: string;
}

/** An event `message` or `app_mention`, as far as it is read. */
export interface MessageEvent {
  readonly type: 'message' | 'app_mention';
  readonly subtype?: string;
  readonly channel: string;
  /** `app_mention` has none: it comes of channels only. */
  readonly channel_type?: string;
  readonly user?: string;
  readonly bot_id?: string;
  readonly username?: string;
  readonly bot_profile?: { readonly name?: string };
  readonly text?: string;
  readonly ts: string;
  readonly thread_ts?: string;
  /** Who wrote the message its thread began with. */
  readonly parent_user_id?: string;
  readonly root?: { readonly user?: string };
  readonly files?: readonly SlackFile[];
  readonly attachments?: readonly Extra[];
}

/** A preview, a forwarded message, or what a bot writes beside its text. */
interface Extra {
  readonly title?: string;
  readonly text?: string;
  readonly fallback?: string;
  /** The page of a link in the text: the message has the link. */
  readonly from_url?: string;
  readonly is_share?: boolean;
}

/** The body of a slash command. */
export interface CommandBody {
  readonly text?: string;
  readonly user_id: string;
  readonly user_name?: string;
  readonly channel_id: string;
  readonly team_id?: string;
  readonly trigger_id: string;
  readonly response_url: string;
}

/** The body of `block_actions`, as far as it is read. */
export interface PressBody {
  readonly type: 'block_actions';
  readonly trigger_id?: string;
  readonly response_url?: string;
  readonly user: { readonly id: string; readonly username?: string };
  readonly channel?: { readonly id: string };
  readonly container?: { readonly thread_ts?: string };
  readonly message?: { readonly ts: string; readonly thread_ts?: string };
  readonly actions: readonly { readonly value?: string; readonly action_ts?: string }[];
}

/** What reading needs besides the event. */
export interface Reading {
  readonly self: Self;
  readonly directory: Directory;
  readonly api: SlackApi;
}

/** Whether somebody else than the bot says something with it. */
export function isSaid({ subtype, user, bot_id }: MessageEvent, self: Self): boolean {
  return (subtype === undefined || SAID.has(subtype)) && user !== self.user && bot_id !== self.bot;
}

/** The same for a message however often and in whatever events it comes: `message` and `app_mention` tell of it both. */
export function updateOf({ channel, ts }: Pick<MessageEvent, 'channel' | 'ts'>): string {
  return `${channel}:${ts}`;
}

/** A message of an event; `team` is the workspace it comes from. Rejects never. */
export async function inboundMessage(
  event: MessageEvent,
  team: string | undefined,
  { self, directory, api }: Reading,
): Promise<InboundMessage> {
  const { channel, ts, text = '', type, files = [] } = event;
  const dm = event.channel_type === 'im';
  const mentioned = type === 'app_mention' || mentions(text, self.user);
  const own = threadOf(event);
  const begins = own === undefined && mentioned && !dm;
  const thread = begins ? ts : own;
  const said = await readable(withoutMention(text, self.user), (id) => directory.person(id));
  const title = await directory.title(channel);
  return {
    update: updateOf(event),
    chat: { id: channel, type: dm ? 'dm' : 'group', ...(thread === undefined ? {} : { thread }) },
    surroundings: { team: team ?? self.team, title },
    sender: await senderOf(event, directory),
    message: ts,
    text: [said, ...extras(event)].filter((part) => part !== '').join('\n\n'),
    addressed: dm || mentioned || (event.parent_user_id ?? event.root?.user) === self.user,
    ...(begins ? { beginsThread: true } : {}),
    attachments: files.map((file) => inboundAttachment(api, file)).filter((file) => file !== undefined),
    ...(own === undefined ? {} : { repliesTo: { message: own } }),
    timestamp: timeOf(ts),
  };
}

/** A slash command: it has no message, so nothing can be a reply to it, but its trigger names it. `/app status` is `/status`. */
export async function inboundCommand(
  { text = '', user_id, user_name, channel_id, team_id, trigger_id }: CommandBody,
  { self, directory }: Reading,
): Promise<InboundMessage> {
  const asked = await readable(text.trim(), (id) => directory.person(id));
  const known = await directory.person(user_id);
  const attachments: readonly InboundAttachment[] = [];
  return {
    update: trigger_id,
    chat: chatOf(channel_id, undefined),
    surroundings: { team: team_id ?? self.team, title: await directory.title(channel_id) },
    sender: known.username === undefined ? { ...known, name: user_name ?? known.name, username: user_name } : known,
    message: trigger_id,
    text: `/${asked.replace(/^\/+/, '') || 'help'}`,
    addressed: true,
    attachments,
    timestamp: Date.now(),
  };
}

/** Who pressed which button where; undefined: nothing that was ours. */
export async function inboundPress(body: PressBody, directory: Directory): Promise<Press | undefined> {
  const { channel, message, container, trigger_id, user } = body;
  const [action] = body.actions;
  if (channel === undefined || message === undefined || action?.value === undefined) return undefined;
  const thread = threadOf({ ts: message.ts, thread_ts: message.thread_ts ?? container?.thread_ts });
  return {
    update: trigger_id ?? `${channel.id}:${message.ts}:${action.action_ts}`,
    chat: chatOf(channel.id, thread),
    sender: await directory.person(user.id),
    message: message.ts,
    data: action.value,
  };
}

/** The thread a message is in. The one a thread began with carries its own time there. */
export function threadOf({ ts, thread_ts }: { ts: string; thread_ts?: string | undefined }): string | undefined {
  return thread_ts === ts ? undefined : thread_ts;
}

/** Where only the id is known, its first letter tells a DM from others. */
function chatOf(id: string, thread: string | undefined): Chat {
  return { id, type: id.startsWith('D') ? 'dm' : 'group', ...(thread === undefined ? {} : { thread }) };
}

async function senderOf(
  { user, bot_id, username, bot_profile, subtype }: MessageEvent,
  directory: Directory,
): Promise<Sender> {
  if (user !== undefined) {
    const person = await directory.person(user);
    return { ...person, bot: person.bot || bot_id !== undefined || subtype === 'bot_message' };
  }
  const id = bot_id ?? 'unknown';
  return { id, name: username || bot_profile?.name || id, username, bot: true };
}

function extras({ attachments = [] }: MessageEvent): string[] {
  const texts = attachments
    .filter(({ from_url, is_share }) => from_url === undefined || is_share === true)
    .map(({ title, text, fallback }) => [title, text].filter((part) => part).join('\n') || fallback || '')
    .filter((text) => text !== '');
  const all = texts.map((text) => plainText(text)).join('\n\n');
  return [all.slice(0, EXTRAS_LENGTH_MAX)];
}

/** A message's id is the time it was written at, in seconds. */
function timeOf(ts: string): number {
  return Math.floor(Number(ts) * 1_000);
}
