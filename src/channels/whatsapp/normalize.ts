/**
 * Messages of WhatsApp as `InboundMessage`s. What is nobody's word to the bot becomes none: reactions, edits, deletions, keys,
 * history, what this account wrote to others from the phone. One's own words do count in the chat with oneself: whoever
 * links their own number talks to the bot there.
 */
import type { MediaType, proto, WAMessageKey } from '@whiskeysockets/baileys';
import type { AttachmentKind, InboundAttachment, InboundMessage, Sender } from '../adapter.ts';
import { bare, isGroup, isLid, isPhone, personId, userOf } from './jid.ts';
import type { Baileys } from './library.ts';
import type { MediaReference } from './media.ts';

/** A decrypted message and what stood on its envelope. */
export interface Letter {
  readonly key: WAMessageKey;
  readonly content: proto.IMessage;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  /** What the sender calls themselves. */
  readonly name: string | undefined;
}

/** What has to be known besides. */
export interface Surroundings {
  /** The account's own addresses, without device. */
  readonly me: readonly string[];
  /** The phone number's address of a LID, where it is known. */
  phoneOf(lid: string): Promise<string | null>;
  titleOf(group: string): string | undefined;
  load(reference: MediaReference, type: MediaType, bytesMax: number, signal: AbortSignal): Promise<Uint8Array>;
}

/** What a message says, whatever its kind. */
interface Said {
  text: string;
  context?: proto.IContextInfo | null | undefined;
  attachment?: InboundAttachment;
}

/** Undefined for what the bot need not see. */
export async function normalize(
  baileys: Baileys,
  letter: Letter,
  surroundings: Surroundings,
): Promise<InboundMessage | undefined> {
  const { key } = letter;
  const { me } = surroundings;
  const chatJid = bare(key.remoteJid!);
  const group = isGroup(chatJid);
  const own = (jid: string | null | undefined): boolean => jid != null && me.includes(bare(jid));
  if (key.fromMe && (group || !own(chatJid))) return undefined;
  const said = saidIn(baileys, letter.content, surroundings);
  if (!said) return undefined;

  const { context } = said;
  const mentioned = context?.mentionedJid?.some(own) ?? false;
  const sender = await senderOf(letter, surroundings);
  const chat = group ? chatJid : sender.id;
  return {
    // Only groups have ids of others' messages in sight: in a DM nobody else could use one before.
    update: `${group ? chatJid : 'dm'}/${key.id}`,
    chat: { id: chat, type: group ? 'group' : 'dm' },
    surroundings: { title: group ? surroundings.titleOf(chatJid) : undefined },
    sender,
    message: key.id!,
    text: mentioned ? withoutMention(said.text, me.map(userOf)) : said.text,
    addressed: !group || mentioned || own(context?.participant),
    attachments: said.attachment ? [said.attachment] : [],
    repliesTo: context?.stanzaId
      ? { message: context.stanzaId, text: quoted(baileys, context, surroundings) }
      : undefined,
    timestamp: letter.timestamp * 1_000,
  };
}

async function senderOf({ key, name }: Letter, { me, phoneOf }: Surroundings): Promise<Sender> {
  const inGroup = isGroup(key.remoteJid!);
  const known = inGroup ? [key.participant, key.participantAlt] : [key.remoteJid, key.remoteJidAlt];
  const jids = key.fromMe ? me : known.flatMap((jid) => (jid ? [bare(jid)] : []));
  const lid = jids.find(isLid);
  const looked = lid !== undefined && !jids.some(isPhone) ? await phoneOf(lid) : null;
  const phone = jids.find(isPhone) ?? (looked === null ? undefined : bare(looked));
  const id = personId(phone ?? lid ?? jids[0]!);
  return { id, name: name || id, username: phone === undefined ? undefined : lid, bot: id.endsWith('@bot') };
}

/** What is said in a message; undefined when it is nothing one could answer. */
function saidIn(baileys: Baileys, content: proto.IMessage, { load }: Pick<Surroundings, 'load'>): Said | undefined {
  const message = baileys.normalizeMessageContent(content);
  if (!message) return undefined;
  const file = (
    kind: AttachmentKind,
    type: MediaType,
    media: Media,
    name: string | null = null,
  ): Pick<Said, 'text' | 'context' | 'attachment'> => ({
    text: media.caption ?? '',
    context: media.contextInfo,
    attachment: {
      kind,
      name: name ?? undefined,
      mediaType: media.mimetype?.split(';')[0],
      bytes: media.fileLength == null ? undefined : baileys.toNumber(media.fileLength),
      load: (bytesMax, signal) => load(media, type, bytesMax, signal),
    },
  });
  if (message.conversation) return { text: message.conversation };
  if (message.extendedTextMessage) {
    return { text: message.extendedTextMessage.text ?? '', context: message.extendedTextMessage.contextInfo };
  }
  if (message.imageMessage) return file('image', 'image', message.imageMessage);
  if (message.stickerMessage) return file('image', 'sticker', message.stickerMessage);
  const video = message.videoMessage ?? message.ptvMessage;
  if (video) return file('video', 'video', video);
  if (message.audioMessage) return file('audio', message.audioMessage.ptt ? 'ptt' : 'audio', message.audioMessage);
  const document = message.documentMessage;
  if (document) return file(kindOf(document.mimetype), 'document', document, document.fileName);
  return spelledOut(message);
}

/** The fields that kinds of files share. */
interface Media extends MediaReference {
  readonly caption?: string | null;
  readonly contextInfo?: proto.IContextInfo | null;
  readonly mimetype?: string | null;
  readonly fileLength?: proto.Message.IImageMessage['fileLength'];
}

/** People send pictures, songs and films as documents too, to keep them as they are. */
function kindOf(mediaType: string | null | undefined): AttachmentKind {
  const kind = mediaType?.split('/')[0];
  return kind === 'image' || kind === 'audio' || kind === 'video' ? kind : 'file';
}

/** Places, people, polls and answers to menus, in words. */
function spelledOut(message: proto.IMessage): Said | undefined {
  const place = message.locationMessage ?? message.liveLocationMessage;
  if (place) {
    const { name, address, comment, caption } = place as proto.Message.ILocationMessage & { caption?: string | null };
    const words = [`Location: ${place.degreesLatitude}, ${place.degreesLongitude}`, name, address, comment, caption];
    return { text: words.filter(Boolean).join('\n'), context: place.contextInfo };
  }
  const people = message.contactsArrayMessage?.contacts ?? (message.contactMessage ? [message.contactMessage] : []);
  if (people.length > 0) {
    const context = message.contactsArrayMessage?.contextInfo ?? message.contactMessage?.contextInfo;
    return { text: people.map(contactLine).join('\n'), context };
  }
  const poll = message.pollCreationMessage ?? message.pollCreationMessageV2 ?? message.pollCreationMessageV3;
  if (poll) {
    const options = poll.options?.map(({ optionName }) => `- ${optionName}`) ?? [];
    return { text: [`Poll: ${poll.name}`, ...options].join('\n'), context: poll.contextInfo };
  }
  const answer =
    message.buttonsResponseMessage?.selectedDisplayText ??
    message.templateButtonReplyMessage?.selectedDisplayText ??
    message.listResponseMessage?.title;
  return answer ? { text: answer } : undefined;
}

function contactLine({ displayName, vcard }: proto.Message.IContactMessage): string {
  const numbers = [...(vcard ?? '').matchAll(/^(?:item\d+\.)?TEL[^:\n]*:(.+)$/gm)].map(([, number]) => number!.trim());
  return [`Contact: ${displayName ?? ''}`, ...numbers].join(' ');
}

/** What the message said that this one answers. */
function quoted(
  baileys: Baileys,
  { quotedMessage }: proto.IContextInfo,
  surroundings: Surroundings,
): string | undefined {
  return (quotedMessage && saidIn(baileys, quotedMessage, surroundings)?.text) || undefined;
}

/** In the text a mention is `@` and the digits of the address. */
function withoutMention(text: string, users: readonly string[]): string {
  return text.replaceAll(new RegExp(`(^|\\s)@(?:${users.join('|')})(?!\\d)[,:]?\\s*`, 'g'), '$1').trim();
}
