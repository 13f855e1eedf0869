/**
 * A WebSocket connection by hand over TCP, for what a WebSocket library won't do: many frames in one write, so that the
 * gateway meets them in one turn of its event loop, and a reader that stops reading.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { decodeFrame, type Frame } from '../../src/protocol/frame.ts';
import { faultOf } from './check-frame.ts';
import { within } from './wait.ts';
import { helloData, pack } from './wire-client.ts';

const BINARY = 0x82;
const CLOSE = 8;
const PING = 9;
/** An empty pong, masked. */
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

/** Opens a connection, upgrades it and, where a token is given, says hello. It is closed with the test. */
export async function openRaw(url: string, token?: string, localAddress = '127.0.0.1'): Promise<RawSocket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, localAddress });
  onTestFinished(() => void socket.destroy());
  const raw = new RawSocket(socket);
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  );
  await raw.upgraded;
  if (token !== undefined) {
    raw.write([{ id: 'hello', type: 'hello', data: helloData(token) }]);
    await raw.when((frames) => frames.length > 0);
  }
  return raw;
}

export class RawSocket {
  readonly frames: Frame[] = [];
  pings = 0;
  /** Whether pings are answered, as by any WebSocket library. */
  answersPings = false;
  /** Resolves when the TCP connection is gone, with the WebSocket close code if one was sent. */
  readonly closed: Promise<number | undefined>;
  readonly upgraded: Promise<void>;
  readonly #socket: Socket;
  readonly #waiting = new Set<() => void>();
  #bytes: Buffer = Buffer.alloc(0);
  #closeCode: number | undefined;
  #gone = false;
  /** What was wrong with the first frame that was not as the protocol says. */
  #fault: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    const upgrade = Promise.withResolvers<void>();
    this.upgraded = upgrade.promise;
    let isUpgraded = false;
    socket.on('data', (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      if (!isUpgraded) {
        const end = this.#bytes.indexOf('\r\n\r\n');
        if (end < 0) return;
        isUpgraded = true;
        this.#bytes = this.#bytes.subarray(end + 4);
        upgrade.resolve();
      }
      this.#read();
    });
    socket.on('error', () => {}); // a reset is a close, too
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#gone = true;
        this.#look();
        resolve(this.#closeCode);
      });
    });
  }

  /** Sends all the frames in one write. */
  write(frames: readonly unknown[]): void {
    this.#socket.write(Buffer.concat(frames.map((frame) => masked(pack(frame)))));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Resolves when `done` says so of the frames so far. */
  when(done: (frames: readonly Frame[]) => boolean): Promise<void> {
    const met = new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (this.#fault !== undefined) reject(this.#fault);
        else if (done(this.frames)) resolve();
        else if (this.#gone) reject(new Error(`the connection is gone (${this.#closeCode})`));
        else return;
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
      look();
    });
    return within(15_000, met, () => `frames; there are ${this.frames.length}`);
  }

  /** Takes whole WebSocket frames (the gateway's are unmasked and not fragmented) off the bytes read so far. */
  #read(): void {
    for (;;) {
      const bytes = this.#bytes;
      if (bytes.length < 2) return;
      const short = (bytes[1] as number) & 0x7f;
      const start = short === 127 ? 10 : short === 126 ? 4 : 2;
      if (bytes.length < start) return;
      const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
      if (bytes.length < start + length) return;
      const payload = bytes.subarray(start, start + length);
      this.#bytes = bytes.subarray(start + length);
      if (((bytes[0] as number) & 0x0f) === CLOSE) this.#closeCode = length >= 2 ? payload.readUInt16BE(0) : undefined;
      else if (((bytes[0] as number) & 0x0f) === PING) {
        this.pings += 1;
        if (this.answersPings) this.#socket.write(PONG);
      } else {
        const frame = decodeFrame(payload);
        this.#fault ??= faultOf(frame, undefined);
        this.frames.push(frame);
      }
      this.#look();
    }
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }
}

/** One binary frame as a client sends it: masked, as RFC 6455 wants (with a mask of zeros, which changes nothing). */
function masked(payload: Uint8Array): Buffer {
  const mask = Buffer.alloc(4);
  if (payload.length < 126) return Buffer.concat([Buffer.from([BINARY, 0x80 | payload.length]), mask, payload]);
  const head = Buffer.alloc(payload.length < 0x1_0000 ? 4 : 10);
  head[0] = BINARY;
  head[1] = 0x80 | (head.length === 4 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(payload.length, 2);
  else head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, mask, payload]);
}
