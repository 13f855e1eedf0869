/** Discord's messages and interactions as those of every channel. */
import {
  type APIApplicationCommandInteractionDataOption,
  type APIChatInputApplicationCommandInteraction,
  type APIEmbed,
  type APIGuildMember,
  type APIInteraction,
  type APIMessage,
  type APIMessageComponentInteraction,
  type APIMessageSnapshotFields,
  type APIUser,
  ApplicationCommandOptionType,
  type GatewayMessageCreateDispatchData,
  MessageReferenceType,
  MessageType,
} from 'discord-api-types/v10';
import type { Chat, InboundMessage, Press, Sender, Surroundings } from '../adapter.ts';
import { inboundAttachment } from './attachment.ts';

/** What embeds add to a text at most, in characters. */
const EMBEDS_LENGTH_MAX = 4_000;
const EPOCH_MS = 1_420_070_400_000n;

/** A message of the gateway, or of the history, which has no server and member. */
export type DiscordMessage = APIMessage & Partial<Pick<GatewayMessageCreateDispatchData, 'guild_id' | 'member'>>;

/** What a message alone does not say. */
export interface Reading {
  /** The user id of the bot. */
  readonly bot: string;
  /** The role whose mention is one of the bot. */
  readonly role: string | undefined;
  readonly surroundings: Surroundings;
  /** What a channel is called. */
  nameOf(channel: string): string | undefined;
}

/** Whether a person or bot says something with it; others tell of joins, pins, boosts, threads. */
export function isSaid({ type, author }: DiscordMessage, bot: string): boolean {
  return (type === MessageType.Default || type === MessageType.Reply) && author.id !== bot;
}

export function inboundMessage(message: DiscordMessage, reading: Reading): InboundMessage {
  const { id, channel_id, guild_id, author, member, webhook_id, timestamp, mentions, referenced_message } = message;
  const chat = chatOf(channel_id, guild_id);
  const forwarded = forwardedIn(message);
  const texts = [message.content, forwarded?.content ?? '', ...rest(message), ...rest(forwarded ?? {})];
  const mentioned =
    mentions.some((user) => user.id === reading.bot) ||
    (reading.role !== undefined && message.mention_roles.includes(reading.role));
  return {
    update: id,
    chat,
    surroundings: reading.surroundings,
    sender: senderOf(author, member?.nick, webhook_id !== undefined),
    message: id,
    text: readable(texts.filter((text) => text !== '').join('\n\n'), mentions, reading),
    addressed: chat.type === 'dm' || mentioned || referenced_message?.author.id === reading.bot,
    attachments: [...message.attachments, ...(forwarded?.attachments ?? [])].map(inboundAttachment),
    repliesTo: repliesTo(message),
    timestamp: Date.parse(timestamp),
  };
}

/** A slash command: it has no message, so nothing can be a reply to it, but its id names it. */
export function inboundCommand(
  interaction: APIChatInputApplicationCommandInteraction,
  surroundings: Surroundings,
): InboundMessage {
  const { id, channel, guild_id, data } = interaction;
  const argument = data.options?.map(argumentOf).join(' ').trim() ?? '';
  return {
    update: id,
    chat: chatOf(channel.id, guild_id),
    surroundings,
    sender: presser(interaction),
    message: id,
    text: argument === '' ? `/${data.name}` : `/${data.name} ${argument}`,
    addressed: true,
    attachments: [],
    timestamp: Number((BigInt(id) >> 22n) + EPOCH_MS),
  };
}

export function inboundPress(interaction: APIMessageComponentInteraction): Press {
  const { id, channel, guild_id, message, data } = interaction;
  return {
    update: id,
    chat: chatOf(channel.id, guild_id),
    sender: presser(interaction),
    message: message.id,
    data: data.custom_id,
  };
}

function chatOf(id: string, guild: string | undefined): Chat {
  return { id, type: guild === undefined ? 'dm' : 'group' };
}

function presser({ member, user }: Pick<APIInteraction, 'user'> & { member?: APIGuildMember }): Sender {
  return senderOf((member?.user ?? user)!, member?.nick, false);
}

function senderOf(user: APIUser, nick: string | null | undefined, webhook: boolean): Sender {
  return {
    id: user.id,
    name: nick ?? user.global_name ?? user.username,
    username: user.username,
    bot: webhook || user.bot === true,
  };
}

function argumentOf(option: APIApplicationCommandInteractionDataOption<never>): string {
  return option.type === ApplicationCommandOptionType.String ? option.value : '';
}

function repliesTo({ message_reference: reference, referenced_message }: DiscordMessage): InboundMessage['repliesTo'] {
  if (reference?.message_id === undefined || reference.type === MessageReferenceType.Forward) return undefined;
  return { message: reference.message_id, text: referenced_message?.content || undefined };
}

/** A forwarded message is empty itself. */
function forwardedIn({ message_snapshots: snapshots }: DiscordMessage): APIMessageSnapshotFields | undefined {
  return snapshots?.[0]?.message;
}

/** What is to be seen besides the text. */
function rest({ embeds = [], sticker_items = [], poll }: Partial<DiscordMessage>): string[] {
  const texts = embeds.map(embedText).filter((text) => text !== '');
  const stickers = sticker_items.map(({ name }) => `[sticker: ${name}]`);
  const answers = poll?.answers.map(({ poll_media: { text } }) => `- ${text}`) ?? [];
  const polls = poll ? [[`[poll: ${poll.question.text}]`, ...answers].join('\n')] : [];
  return [texts.join('\n\n').slice(0, EMBEDS_LENGTH_MAX), ...stickers, ...polls];
}

function embedText({ author, title, url, description, fields = [], footer }: APIEmbed): string {
  // The preview of a bare link says nothing that the message does not.
  if (!title && !description && fields.length === 0) return '';
  const head = title && url ? `${title} (${url})` : title;
  const lines = [
    author?.name,
    head,
    description,
    ...fields.map(({ name, value }) => `${name}: ${value}`),
    footer?.text,
  ];
  return lines.filter((line) => line).join('\n');
}

/** A text without the mention of the bot, and with names for the ids in it. */
function readable(text: string, mentions: readonly APIUser[], { bot, role, nameOf }: Reading): string {
  const names = new Map(mentions.map((user) => [user.id, user.global_name ?? user.username]));
  const own = new RegExp(`([ \\t]*)<(?:@!?${bot}${role === undefined ? '' : `|@&${role}`})>([ \\t]*)`, 'g');
  const said = text.replace(own, (_, before, after) => (before !== '' && after !== '' ? ' ' : before + after));
  return (said === text ? text : said.trim())
    .replace(/<(@!?|#)(\d{1,20})>/g, (whole, sigil, id) => {
      const name = sigil === '#' ? nameOf(id) : names.get(id);
      return name === undefined ? whole : `${sigil[0]}${name}`;
    })
    .replace(/<a?(:\w{1,32}:)\d{1,20}>/g, '$1');
}
