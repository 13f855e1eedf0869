/** Files of messages: they are on Discord's CDN, at addresses that are signed and good for about a day. */
import type { APIAttachment } from 'discord-api-types/v10';
import { type AttachmentKind, ChannelError, type InboundAttachment } from '../adapter.ts';

/** A file as a message brings it. */
export function inboundAttachment({ filename, content_type, size, url }: APIAttachment): InboundAttachment {
  const mediaType = content_type?.split(';')[0];
  return {
    kind: kindOf(mediaType),
    name: filename,
    mediaType,
    bytes: size,
    load: async (bytesMax, signal) => {
      if (size > bytesMax) throw tooLarge(bytesMax);
      try {
        return await download(url, bytesMax, signal);
      } catch (error) {
        if (error instanceof ChannelError) throw error;
        throw new ChannelError('temporary', signal.aborted ? 'given up' : 'the file could not be read from Discord');
      }
    },
  };
}

function kindOf(mediaType: string | undefined): AttachmentKind {
  const [type] = mediaType?.split('/') ?? [];
  return type === 'image' || type === 'audio' || type === 'video' ? type : 'file';
}

async function download(url: string, bytesMax: number, signal: AbortSignal): Promise<Uint8Array> {
  signal.throwIfAborted();
  const response = await fetch(url, { signal, redirect: 'error' });
  if (!response.ok) {
    await response.body?.cancel();
    const kind = response.status === 403 || response.status === 404 ? 'gone' : 'temporary';
    throw new ChannelError(kind, `Discord does not give the file (${response.status})`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop cancels the body.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(bytesMax: number): ChannelError {
  return new ChannelError('too_large', `the file has more than ${bytesMax} bytes`);
}
