/**
 * The host that keeps files: encrypted, over HTTPS, as WhatsApp's. Its certificate is the tests' own (`tls-cert.pem`, for
 * localhost), which this process is told to trust.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { getMediaKeys, type MediaType } from '@whiskeysockets/baileys';

const support = new URL('../', import.meta.url);
const cert = readFileSync(new URL('tls-cert.pem', support), 'utf8');
const key = readFileSync(new URL('tls-key.pem', support), 'utf8');
const MAC_BYTES = 10;
const AUTH = 'media-auth';
const CHUNK_BYTES = 64 * 1024;

/** What a message says of its file. */
export interface MediaReference {
  url: string;
  directPath: string;
  mediaKey: Uint8Array;
  fileSha256: Uint8Array;
  fileEncSha256: Uint8Array;
  fileLength: number;
}

export class MediaHost {
  readonly #server: Server;
  readonly #files = new Map<string, Buffer>();
  /** Bytes of files that were read from here. */
  bytesRead = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', async (request, response) => {
      const url = new URL(request.url!, 'https://localhost');
      if (request.method === 'POST') {
        const parts: Buffer[] = [];
        for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
        const data = Buffer.concat(parts);
        const token = url.pathname.split('/').at(-1);
        const sha256 = createHash('sha256').update(data).digest('base64url');
        if (url.searchParams.get('auth') !== AUTH || decodeURIComponent(token!) !== sha256) {
          response.writeHead(400).end();
          return;
        }
        response.end(JSON.stringify(this.#keep(data)));
        return;
      }
      const data = this.#files.get(url.pathname);
      if (!data) response.writeHead(404).end();
      else await pipeline(Readable.from(this.#chunks(data)), response).catch(() => undefined);
    });
  }

  static async start(): Promise<MediaHost> {
    setDefaultCACertificates([...getCACertificates('bundled'), cert]);
    const server = createServer({ cert, key });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new MediaHost(server);
  }

  get hostname(): string {
    return `localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  get auth(): string {
    return AUTH;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Takes a file as a contact's phone does. `damaged`: a byte of it changes on the way. */
  async upload(data: Uint8Array, type: MediaType, damaged = false): Promise<MediaReference> {
    const mediaKey = randomBytes(32);
    const { cipherKey, iv, macKey } = await getMediaKeys(mediaKey, type);
    const cipher = createCipheriv('aes-256-cbc', cipherKey, iv);
    const encrypted = Buffer.concat([cipher.update(data), cipher.final()]);
    const whole = Buffer.concat([encrypted, mac(macKey!, iv, encrypted)]);
    if (damaged) whole[7]! ^= 1;
    const { url, direct_path } = this.#keep(whole);
    const fileSha256 = createHash('sha256').update(data).digest();
    const fileEncSha256 = createHash('sha256').update(whole).digest();
    return { url, directPath: direct_path, mediaKey, fileSha256, fileEncSha256, fileLength: data.length };
  }

  /** Reads a file as a contact's phone does. */
  async download(reference: { mediaKey?: Uint8Array | null; directPath?: string | null }, type: MediaType) {
    const whole = this.#files.get(new URL(reference.directPath!, 'https://localhost').pathname)!;
    const { cipherKey, iv, macKey } = await getMediaKeys(reference.mediaKey, type);
    const encrypted = whole.subarray(0, -MAC_BYTES);
    if (!timingSafeEqual(whole.subarray(-MAC_BYTES), mac(macKey!, iv, encrypted))) throw new Error('damaged file');
    const decipher = createDecipheriv('aes-256-cbc', cipherKey, iv);
    return Buffer.concat([decipher.update(encrypted), decipher.final()]);
  }

  #keep(data: Buffer) {
    const direct_path = `/v/t62/${randomBytes(12).toString('hex')}.enc`;
    this.#files.set(direct_path, data);
    return { url: `https://${this.hostname}${direct_path}`, direct_path };
  }

  *#chunks(data: Buffer) {
    for (let offset = 0; offset < data.length; offset += CHUNK_BYTES) {
      const chunk = data.subarray(offset, offset + CHUNK_BYTES);
      this.bytesRead += chunk.length;
      yield chunk;
    }
  }
}

function mac(key: Uint8Array, iv: Uint8Array, encrypted: Uint8Array): Buffer {
  return createHmac('sha256', key).update(iv).update(encrypted).digest().subarray(0, MAC_BYTES);
}
