/**
 * Messages of WhatsApp as `InboundMessage`s. What is nobody's word to the bot becomes none: reactions, edits, deletions, keys,
 * history, what this account wrote to others from the phone. One's own words do count in the chat with oneself: whoever
 * links their own number talks to the bot there.
 */
import type { proto, WAMessageKey } from '@whiskeysockets/baileys';
import type { InboundMessage, Sender } from '../adapter.ts';
import { type LoadMedia, readContent } from './content.ts';
import { bare, isGroup, isLid, isPhone, personId, userOf } from './jid.ts';
import type { Baileys } from './library.ts';

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
  readonly load: LoadMedia;
}

/** Undefined for what the bot need not see. */
export async function normalize(
  baileys: Baileys,
  letter: Letter,
  surroundings: Surroundings,
): Promise<InboundMessage | undefined> {
  const { key } = letter;
  const { me } = surroundings;
  const chatJid = key.remoteJid!;
  const group = isGroup(chatJid);
  const own = (jid: string | null | undefined): boolean => jid != null && me.includes(bare(jid));
  if (key.fromMe && (group || !own(chatJid))) return undefined;
  const said = readContent(baileys, letter.content, surroundings.load);
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
    repliesTo: context?.stanzaId ? { message: context.stanzaId, text: said.quoted } : undefined,
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

/** In the text a mention is `@` and the digits of the address. */
function withoutMention(text: string, users: readonly string[]): string {
  return text.replaceAll(new RegExp(`(^|\\s)@(?:${users.join('|')})(?!\\d)[,:]?\\s*`, 'g'), '$1').trim();
}
