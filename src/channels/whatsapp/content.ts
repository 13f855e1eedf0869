/** What a message of WhatsApp says, of the many kinds there are. */
import type { MediaType, proto } from '@whiskeysockets/baileys';
import type { AttachmentKind, InboundAttachment } from '../adapter.ts';
import type { Baileys } from './library.ts';
import type { MediaReference } from './media.ts';

export type LoadMedia = (
  reference: MediaReference,
  type: MediaType,
  bytesMax: number,
  signal: AbortSignal,
) => Promise<Uint8Array>;

export interface Content {
  readonly text: string;
  readonly attachment?: InboundAttachment;
  /** Whom it mentions, and what it answers. */
  readonly context?: proto.IContextInfo | null | undefined;
  /** The text of what it answers. */
  readonly quoted?: string | undefined;
}

/** The fields that kinds of files share. */
interface Media extends MediaReference {
  readonly caption?: string | null;
  readonly contextInfo?: proto.IContextInfo | null;
  readonly mimetype?: string | null;
  readonly fileName?: string | null;
}

/** Undefined for what one could not answer: reactions, edits, deletions, votes, keys, history, calls. */
export function readContent(baileys: Baileys, sent: proto.IMessage, load: LoadMedia): Content | undefined {
  // Disappearing, view-once, captioned documents: the message is inside.
  const message = baileys.normalizeMessageContent(sent);
  const content = message && (words(message) ?? file(baileys, message, load) ?? spelledOut(message));
  const quotedMessage = content?.context?.quotedMessage;
  if (!content || !quotedMessage) return content;
  return { ...content, quoted: readContent(baileys, { ...quotedMessage }, load)?.text || undefined };
}

function words({ conversation, extendedTextMessage }: proto.IMessage): Content | undefined {
  if (conversation) return { text: conversation };
  return extendedTextMessage
    ? { text: extendedTextMessage.text ?? '', context: extendedTextMessage.contextInfo }
    : undefined;
}

function file(baileys: Baileys, message: proto.IMessage, load: LoadMedia): Content | undefined {
  const found = mediaIn(message);
  if (!found) return undefined;
  const [kind, type, media] = found;
  const bytes = media.fileLength == null ? undefined : baileys.toNumber(media.fileLength);
  const attachment: InboundAttachment = {
    kind,
    name: media.fileName ?? undefined,
    mediaType: media.mimetype?.split(';')[0],
    bytes,
    load: (bytesMax, signal) => load(media, type, bytesMax, signal),
  };
  return { text: media.caption ?? '', attachment, context: media.contextInfo };
}

function mediaIn(message: proto.IMessage): [AttachmentKind, MediaType, Media] | undefined {
  if (message.imageMessage) return ['image', 'image', message.imageMessage];
  if (message.stickerMessage) return ['image', 'sticker', message.stickerMessage];
  const video = message.videoMessage ?? message.ptvMessage;
  if (video) return ['video', 'video', video];
  if (message.audioMessage) return ['audio', 'audio', message.audioMessage];
  const document = message.documentMessage;
  return document ? [kindOf(document.mimetype), 'document', document] : undefined;
}

/** People send pictures, songs and films as documents too, to keep them as they are. */
function kindOf(mediaType: string | null | undefined): AttachmentKind {
  const kind = mediaType?.split('/')[0];
  return kind === 'image' || kind === 'audio' || kind === 'video' ? kind : 'file';
}

/** Places, people, polls and answers to menus, in words. */
function spelledOut(message: proto.IMessage): Content | undefined {
  const place = message.locationMessage ?? message.liveLocationMessage;
  if (place) {
    const { name, address, comment, caption } = place as proto.Message.ILocationMessage & { caption?: string | null };
    const lines = [`Location: ${place.degreesLatitude}, ${place.degreesLongitude}`, name, address, comment, caption];
    return { text: lines.filter(Boolean).join('\n'), context: place.contextInfo };
  }
  const people = message.contactsArrayMessage?.contacts ?? (message.contactMessage ? [message.contactMessage] : []);
  if (people.length > 0) {
    const { contextInfo } = message.contactsArrayMessage ?? message.contactMessage!;
    return { text: people.map(contactLine).join('\n'), context: contextInfo };
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
