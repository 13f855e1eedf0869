/**
 * Files that come. They lie encrypted on WhatsApp's media hosts, and the message has the key. Baileys can fetch one too, but
 * without a limit or a way to give up, from whatever host the sender names, and without a look at the MAC.
 */
import { createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import type { MediaType, proto } from '@whiskeysockets/baileys';
import { ChannelError } from '../adapter.ts';
import type { Baileys, Socket } from './library.ts';

/** Where a file is and how to read it, as a message says. */
export interface MediaReference {
  readonly directPath?: string | null;
  readonly mediaKey?: Uint8Array | null;
  /** In bytes, as the sender says. */
  readonly fileLength?: proto.Message.IImageMessage['fileLength'];
}

/** At the end of the ciphertext. */
const MAC_BYTES = 10;
/** The ciphertext is filled up to a whole block. */
const BLOCK_BYTES = 16;
const ORIGIN = 'https://web.whatsapp.com';

/** The content of a file. Throws a ChannelError: `too_large` over `bytesMax`, `gone` when it is not kept any more. */
export async function loadMedia(
  baileys: Baileys,
  socket: Socket,
  reference: MediaReference,
  type: MediaType,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  try {
    signal.throwIfAborted();
    if (baileys.toNumber(reference.fileLength) > bytesMax) throw tooLarge(bytesMax);
    const { hosts } = await socket.refreshMediaConn(false);
    const url = urlOf(reference, hosts[0]?.hostname);
    const { cipherKey, iv, macKey } = await baileys.getMediaKeys(reference.mediaKey, type);
    const response = await fetch(url, { headers: { Origin: ORIGIN }, signal });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw refused(response.status);
    }
    const encrypted = await collect(response.body, bytesMax + BLOCK_BYTES + MAC_BYTES);
    const content = decrypt(encrypted, Buffer.from(cipherKey), Buffer.from(iv), Buffer.from(macKey!));
    if (content.length > bytesMax) throw tooLarge(bytesMax);
    return content;
  } catch (error) {
    if (error instanceof ChannelError) throw error;
    if (signal.aborted) throw new ChannelError('temporary', 'the file was not wanted any more');
    throw new ChannelError('temporary', `the file could not be fetched: ${(error as Error).message}`, { cause: error });
  }
}

export function tooLarge(bytesMax: number): ChannelError {
  return new ChannelError('too_large', `the file has more than ${bytesMax} bytes`);
}

/** On WhatsApp's own host, whatever host the sender wrote into the message. */
function urlOf({ directPath, mediaKey }: MediaReference, host = 'mmg.whatsapp.net'): string {
  // Without the slash the path could end the name of the host and begin another's.
  if (!directPath?.startsWith('/') || !mediaKey?.length) {
    throw new ChannelError('rejected', 'the message does not say where its file is');
  }
  return `https://${host}${directPath}`;
}

function refused(status: number): ChannelError {
  if (status === 404 || status === 410) return new ChannelError('gone', 'WhatsApp does not keep the file any more');
  return new ChannelError('temporary', `WhatsApp did not give the file (${status})`);
}

/** Leaving the loop early ends the download. */
async function collect(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax - BLOCK_BYTES - MAC_BYTES);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function decrypt(file: Buffer, key: Buffer, iv: Buffer, macKey: Buffer): Buffer {
  const encrypted = file.subarray(0, -MAC_BYTES);
  const mac = createHmac('sha256', macKey).update(iv).update(encrypted).digest().subarray(0, MAC_BYTES);
  if (file.length <= MAC_BYTES || !timingSafeEqual(mac, file.subarray(-MAC_BYTES))) {
    throw new ChannelError('rejected', 'the file is damaged');
  }
  const decipher = createDecipheriv('aes-256-cbc', key, iv);
  return Buffer.concat([decipher.update(encrypted), decipher.final()]);
}
