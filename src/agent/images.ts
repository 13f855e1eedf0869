/** Which images of a context a model is sent. */
import type { ModelImage, ModelMessage } from './provider.ts';

/** Most images in one request, and their bytes together: every current vendor takes as many. */
export const CONTEXT_IMAGES_MAX = 8;
export const CONTEXT_IMAGE_BYTES_MAX = 2 * 1024 * 1024;
/** Stands for an image that is not sent. */
export const IMAGE_NOTE = '[an image was here]';

/**
 * The messages with the newest of their images read, as many as the limits allow, and a note for each of the others. The
 * same messages when none has an image, as is nearly always so.
 */
export function withImages(messages: readonly ModelMessage[]): readonly ModelMessage[] {
  if (!messages.some((message) => message.role === 'user' && message.stored !== undefined)) return messages;
  const room = { images: CONTEXT_IMAGES_MAX, bytes: CONTEXT_IMAGE_BYTES_MAX };
  return messages
    .toReversed()
    .map((message) => (message.role === 'user' && message.stored !== undefined ? shown(message, room) : message))
    .reverse();
}

function shown(
  { text, stored = [] }: ModelMessage & { role: 'user' },
  room: { images: number; bytes: number },
): ModelMessage {
  const images: ModelImage[] = [];
  for (const { mediaType, bytes, read } of stored.toReversed()) {
    // Once one does not fit, nothing older is sent: what a model sees must not have holes.
    if (bytes > room.bytes) room.images = 0;
    const data = room.images > 0 ? read() : undefined;
    if (data === undefined) continue;
    room.images -= 1;
    room.bytes -= bytes;
    images.unshift({ mediaType, data });
  }
  const notes = `\n${IMAGE_NOTE}`.repeat(stored.length - images.length);
  return { role: 'user', text: text + notes, ...(images.length > 0 ? { images } : {}) };
}
