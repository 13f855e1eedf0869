import { DhaavakError } from '../protocol/errors.ts';
import { decodeFrame, encodeFrame, type Frame } from '../protocol/frame.ts';

/** `WebSocket.OPEN`, where there may be no global WebSocket. */
const OPEN = 1;
/** Our own close code: `CLOSE_CODES.invalidFrame`. */
const INVALID_FRAME = 4400;
/** RFC 6455: ended without a closing handshake. */
const ABNORMAL = 1006;

/** How a connection ended: a WebSocket close code (RFC 6455 or `CLOSE_CODES`) and what the gateway said to it. */
export interface Closed {
  code: number;
  reason: string;
}

/** One WebSocket connection: frames out and in, until it closes. It never comes back; the client opens another one. */
export class Wire {
  /** Resolves, never rejects, when the connection has ended, whoever ended it. */
  readonly closed: Promise<Closed>;
  /** An error of the connection and not of a request; the connection ends right after it. */
  fault: DhaavakError | undefined;
  /** Whether anything came since this was last set to false. */
  heard = false;
  readonly #socket: WebSocket;
  #resolveClosed: (closed: Closed) => void = () => {};

  constructor(socket: WebSocket, onFrame: (frame: Frame) => void) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#receive(data, onFrame));
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    socket.addEventListener('close', ({ code, reason }) => this.#resolveClosed({ code, reason }));
  }

  get isOpen(): boolean {
    return this.#socket.readyState === OPEN;
  }

  /** Bytes that were sent and have not left yet. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(frame: Uint8Array): void {
    this.#socket.send(frame as Uint8Array<ArrayBuffer>); // copies it at once
  }

  close(code?: number): void {
    this.#socket.close(code);
  }

  /** The other side is gone without a word: counts as closed at once, for a closing handshake would never end. */
  abandon(reason: string): void {
    this.#resolveClosed({ code: ABNORMAL, reason });
    this.#socket.close();
  }

  #receive(message: unknown, onFrame: (frame: Frame) => void): void {
    this.heard = true;
    let frame: Frame;
    try {
      frame = decodeFrame(new Uint8Array(message as ArrayBuffer));
    } catch (cause) {
      this.fault = new DhaavakError('invalid_frame', 'the gateway sent a frame that is not msgpack', { cause });
      this.#socket.close(INVALID_FRAME);
      return;
    }
    if (frame.id === null && frame.error) this.fault = DhaavakError.fromWire(frame.error);
    else onFrame(frame);
  }
}

/**
 * Opens a WebSocket and waits until it is open. Aborting `signal` closes it, also later.
 *
 * @throws DhaavakError `invalid_request` when `url` is none, `unavailable` when nobody answers
 */
export async function openWire(url: string, onFrame: (frame: Frame) => void, signal: AbortSignal): Promise<Wire> {
  const socket = createSocket(await webSocket(), url);
  const wire = new Wire(socket, onFrame);
  const close = (): void => socket.close(socket.readyState === OPEN ? 1000 : undefined);
  signal.addEventListener('abort', close, { once: true });
  void wire.closed.then(() => signal.removeEventListener('abort', close));
  if (signal.aborted) close();
  const open = new Promise<true>((resolve) => socket.addEventListener('open', () => resolve(true), { once: true }));
  // It closes without a reason when nobody is there.
  if ((await Promise.race([open, wire.closed])) === true) return wire;
  throw new DhaavakError('unavailable', `no gateway answers at ${url}`);
}

export function encodeRequest(id: string, type: string, data: unknown): Uint8Array {
  return encodeFrame({ id, type, timestamp: Date.now(), data });
}

/** The platform's WebSocket, or that of the package `ws` where there is none (Node 20). */
async function webSocket(): Promise<typeof WebSocket> {
  return globalThis.WebSocket ?? ((await import('ws')).WebSocket as unknown as typeof WebSocket);
}

/** Listen to it at once: it may close within this turn of the event loop. */
function createSocket(Socket: typeof WebSocket, url: string): WebSocket {
  try {
    const socket = new Socket(url);
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('error', () => {}); // `close` follows and is what counts; ws throws where nobody listens
    return socket;
  } catch (cause) {
    throw new DhaavakError('invalid_request', `${url} is not a WebSocket URL`, { param: 'url', cause });
  }
}
