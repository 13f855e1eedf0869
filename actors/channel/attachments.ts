/** The files that come with a message of a channel: images the agent can see, and the names of all others. */
import type { InboundAttachment } from '../../src/channels/adapter.ts';
import type { ChannelRequests } from '../../src/channels/requests.ts';
import { ATTACHMENTS_BYTES_MAX, ATTACHMENTS_MAX } from '../../src/protocol/limits.ts';
import type { ImageType } from '../../src/protocol/messages.ts';

type Image = ChannelRequests['channel.message']['images'][number];

/** As in `IMAGE_TYPES`, whose module would bring zod into this thread. */
const IMAGES: Record<ImageType, true> = {
  'image/png': true,
  'image/jpeg': true,
  'image/webp': true,
  'image/gif': true,
};
/** How long the images of one message may take to come. */
const LOAD_TIMEOUT_MS = 20_000;
/** Files that are named; of more only the number. */
const NAMED_MAX = 10;

/** `notes`: a line for each file that is not shown, and why an image is none of those that are. */
export interface LoadedFiles {
  images: Image[];
  notes: string[];
}

/** Never rejects: an image that does not come is a file that is named. */
export async function loadFiles(attachments: readonly InboundAttachment[], signal: AbortSignal): Promise<LoadedFiles> {
  const images: Image[] = [];
  const named: string[] = [];
  const stop = AbortSignal.any([signal, AbortSignal.timeout(LOAD_TIMEOUT_MS)]);
  let left = ATTACHMENTS_BYTES_MAX;
  for (const attachment of attachments) {
    const type = imageType(attachment);
    const fits = type !== undefined && images.length < ATTACHMENTS_MAX && (attachment.bytes ?? 0) <= left;
    const data = fits ? await attachment.load(left, stop).catch(() => undefined) : undefined;
    if (data === undefined || type === undefined || data.length === 0 || data.length > left)
      named.push(noteOf(attachment));
    else {
      left -= data.length;
      images.push({ type: 'image', mediaType: type, data });
    }
  }
  const notes = named.slice(0, NAMED_MAX);
  if (named.length > NAMED_MAX) notes.push(`[and ${named.length - NAMED_MAX} more files]`);
  return { images, notes };
}

function imageType({ kind, mediaType }: InboundAttachment): ImageType | undefined {
  const known = kind === 'image' && mediaType !== undefined && Object.hasOwn(IMAGES, mediaType);
  return known ? (mediaType as ImageType) : undefined;
}

/** Such as `[file: report.pdf, application/pdf, 120 KB]`. */
function noteOf({ kind, name, mediaType, bytes }: InboundAttachment): string {
  const size = bytes === undefined ? undefined : `${Math.max(1, Math.round(bytes / 1024))} KB`;
  const details = [name, mediaType, size].filter((detail) => detail !== undefined);
  return `[${kind}${details.length > 0 ? `: ${details.join(', ')}` : ''}]`.replace(/\s+/g, ' ').slice(0, 200);
}
