/** The wire of RFC 6455 by hand: frames as they should be and as they must not be, and what comes back, frame by frame. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { within } from './wait.ts';

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface FrameOptions {
  /** Default true: the last or only fragment. */
  fin?: boolean;
  /** The three reserved bits, as a number from 0 to 7. */
  rsv?: number;
  /** Default true, as a client must. */
  masked?: boolean;
}

/** One frame as a client sends it. */
export function frame(opcode: number, payload: string | Uint8Array = '', options: FrameOptions = {}): Buffer {
  const { fin = true, rsv = 0, masked = true } = options;
  const data = Buffer.from(payload as string);
  const size = data.length < 126 ? data.length : data.length < 0x1_0000 ? 126 : 127;
  const head = Buffer.alloc(size === 127 ? 10 : size === 126 ? 4 : 2);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (masked ? 0x80 : 0) | size;
  if (size === 126) head.writeUInt16BE(data.length, 2);
  if (size === 127) head.writeBigUInt64BE(BigInt(data.length), 2);
  if (!masked) return Buffer.concat([head, data]);
  const mask = randomBytes(4);
  for (let i = 0; i < data.length; i += 1) data[i] = (data[i] as number) ^ (mask[i & 3] as number);
  return Buffer.concat([head, mask, data]);
}

/** The payload of a close frame. */
export function closing(code: number, reason: string | Uint8Array = ''): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code & 0xffff);
  return Buffer.concat([head, Buffer.from(reason as string)]);
}

export interface Received {
  opcode: number;
  payload: Buffer;
}

/** What a handshake was answered with. */
export interface Handshake {
  status: number;
  /** Names in lower case. */
  headers: Map<string, string>;
}

/** The head of a good request for a WebSocket; a header that is undefined is left out. */
export function handshakeHead(url: string, headers: Record<string, string | undefined> = {}): string {
  const all: Record<string, string | undefined> = {
    Host: new URL(url).host,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return [`GET ${new URL(url).pathname} HTTP/1.1`, ...lines, '', ''].join('\r\n');
}

/** A connection on which a handshake was sent; it is gone with the test. */
export class WebSocketPeer {
  /** Every frame that came, in order. Those of a server are neither masked nor, here, fragmented. */
  readonly received: Received[] = [];
  readonly handshake: Promise<Handshake>;
  /** The code of the close frame, if one came, when the TCP connection is gone. */
  readonly closed: Promise<number | undefined>;
  readonly #socket: Socket;
  readonly #answered = Promise.withResolvers<Handshake>();
  #bytes: Buffer = Buffer.alloc(0);
  #status: number | undefined;
  #look: () => void = () => {};

  constructor(url: string, head = handshakeHead(url)) {
    const { hostname, port } = new URL(url);
    this.#socket = connect({ port: Number(port), host: hostname, noDelay: true });
    onTestFinished(() => void this.#socket.destroy());
    this.handshake = this.#answered.promise;
    this.#socket.on('error', () => {}); // a reset is a close, too
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.closed = new Promise((resolve) => {
      this.#socket.on('close', () => {
        const last = this.received.findLast(({ opcode }) => opcode === OPCODE.close);
        resolve(last && last.payload.length >= 2 ? last.payload.readUInt16BE() : undefined);
        this.#look();
      });
    });
    this.#socket.write(head);
  }

  /** Sends bytes, all in one write. */
  send(...parts: readonly Buffer[]): void {
    this.#socket.write(Buffer.concat(parts));
  }

  /** Sends bytes in writes of `size`, each of which the kernel may pass on by itself. */
  async sendChopped(bytes: Buffer, size: number): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#socket.destroyed; at += size) {
      this.#socket.write(bytes.subarray(at, at + size));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Resolves with the first frame that came and matches; undefined: the connection is gone. */
  when(matches: (frame: Received) => boolean): Promise<Received | undefined> {
    const found = new Promise<Received | undefined>((resolve) => {
      this.#look = () => {
        const match = this.received.find(matches);
        if (match !== undefined || this.#socket.destroyed) resolve(match);
      };
      this.#look();
    });
    return within(15_000, found, () => `a frame; ${this.received.length} came`);
  }

  #receive(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.#status === undefined) {
      const end = this.#bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      const handshake = parseHead(this.#bytes.toString('latin1', 0, end));
      this.#status = handshake.status;
      this.#answered.resolve(handshake);
      this.#bytes = this.#bytes.subarray(end + 4);
    }
    if (this.#status !== 101) return;
    while (this.#takeFrame());
    this.#look();
  }

  #takeFrame(): boolean {
    const bytes = this.#bytes;
    if (bytes.length < 2) return false;
    const size = (bytes[1] as number) & 0x7f;
    const start = size === 127 ? 10 : size === 126 ? 4 : 2;
    if (bytes.length < start) return false;
    const length = size === 127 ? Number(bytes.readBigUInt64BE(2)) : size === 126 ? bytes.readUInt16BE(2) : size;
    if (bytes.length < start + length) return false;
    const [first = 0, second = 0] = bytes;
    if ((first & 0xf0) !== 0x80 || (second & 0x80) !== 0) throw new Error(`a frame with the head ${first} ${second}`);
    this.received.push({ opcode: first & 0x0f, payload: bytes.subarray(start, start + length) });
    this.#bytes = bytes.subarray(start + length);
    return true;
  }
}

function parseHead(head: string): Handshake {
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status: Number(statusLine.split(' ')[1]), headers: new Map(headers) };
}
