/**
 * The TypeScript client: the wire protocol over the standard `WebSocket`, in Node 22 and later and in browsers.
 *
 *     const client = await connect({ url: 'ws://127.0.0.1:18789/ws', token });
 *     for await (const event of client.run({ text: 'What time is it?' })) {
 *       if (event.type === 'message.delta') process.stdout.write(event.data.text);
 *     }
 *     await client.close();
 *
 * It does not connect again by itself: when {@link Client.closed} resolves, the client is spent.
 */
import { CLOSE_CODES, DhaavakError } from '../protocol/errors.ts';
import { decodeFrame, encodeFrame, type Frame } from '../protocol/frame.ts';
import {
  BACKPRESSURE_BYTES_MAX,
  FRAME_BYTES_MAX,
  IN_FLIGHT_MAX,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
} from '../protocol/limits.ts';
import {
  type EventData,
  type EventType,
  REPLY_TYPES,
  type Replies,
  type RequestData,
  type RequestType,
} from '../protocol/messages.ts';
import { type Run, type RunEvent, RunStream } from './run.ts';

export type { Run, RunEvent } from './run.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** Who we say we are when the caller does not. A test keeps the version equal to the gateway's. */
export const DEFAULT_CLIENT = { name: 'dhaavak-client', version: '0.1.0' };

const EVENT_TYPES: Record<EventType, true> = {
  'message.inbound': true,
  'run.start': true,
  'run.model': true,
  'message.delta': true,
  'tool.start': true,
  'tool.end': true,
  'message.outbound': true,
  'run.end': true,
  'session.update': true,
};

export interface ConnectOptions {
  /** For example `ws://127.0.0.1:18789/ws`. */
  url: string;
  token: string;
  /** Shown in the gateway's log. */
  client?: { name: string; version: string };
  /** Gives up connecting. It has no effect once connected. */
  signal?: AbortSignal;
}

/** How a connection ended: a WebSocket close code (RFC 6455 or `CLOSE_CODES`) and what the gateway said to it. */
export interface Closed {
  code: number;
  reason: string;
}

export type Listener<T extends EventType> = (data: EventData<T>) => void;

interface Pending {
  type: RequestType;
  timer: ReturnType<typeof setTimeout>;
  /** Called while the reply is being dispatched, before any event that follows it. */
  resolve(data: unknown): void;
  reject(error: DhaavakError): void;
}

/**
 * Connects and says `hello`.
 *
 * @throws DhaavakError `unavailable` when nobody answers within 10 s, `unauthorized` for a wrong token,
 *   `protocol_unsupported`, or `invalid_request` when `url` is not a WebSocket URL; the signal's reason when it aborts
 */
export async function connect({ url, token, client: self = DEFAULT_CLIENT, signal }: ConnectOptions): Promise<Client> {
  signal?.throwIfAborted();
  const socket = openSocket(url);
  const client = new Client(socket);
  const giveUp = (): void => socket.close();
  signal?.addEventListener('abort', giveUp, { once: true });
  const timer = setTimeout(giveUp, CONNECT_TIMEOUT_MS);
  try {
    await opened(socket, client, url);
    const hello = { protocol: [PROTOCOL_MIN, PROTOCOL_MAX] as [number, number], client: self, auth: { token } };
    await client.hello(hello);
    return client;
  } catch (error) {
    socket.close();
    throw signal?.aborted ? signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
}

/** A connection to a gateway. Made by {@link connect}. */
export class Client {
  /** Resolves, never rejects, when the connection has ended, whoever ended it. */
  readonly closed: Promise<Closed>;
  readonly #socket: WebSocket;
  readonly #pending = new Map<string, Pending>();
  readonly #listeners = new Map<EventType, Set<(data: never) => void>>();
  readonly #runs = new Set<RunStream>();
  #lastId = 0;
  #limits = { frameBytesMax: FRAME_BYTES_MAX, inFlightMax: IN_FLIGHT_MAX };
  /** An error of the connection and not of a request; the gateway closes right after it. */
  #fault: DhaavakError | undefined;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<Closed>();
    this.closed = promise;
    socket.addEventListener('message', ({ data }) => this.#receive(data));
    socket.addEventListener('close', ({ code, reason }) => {
      this.#failAll(code, reason);
      resolve({ code, reason });
    });
  }

  /** The first request, sent by {@link connect}. From then on the gateway's limits hold. */
  async hello(data: RequestData<'hello'>): Promise<void> {
    const { limits } = await this.request('hello', data, { timeoutMs: CONNECT_TIMEOUT_MS });
    this.#limits = limits;
  }

  /**
   * Sends one request and waits for its reply.
   *
   * @throws DhaavakError the gateway's answer; `unavailable` when there is none in time or the connection ends, and then
   *   the outcome is unknown; `too_many_requests` or `too_large`, before anything is sent, when a limit is reached
   */
  request<T extends RequestType>(
    type: T,
    data: RequestData<T>,
    { timeoutMs = REQUEST_TIMEOUT_MS }: { timeoutMs?: number } = {},
  ): Promise<Replies[T]> {
    return new Promise((resolve, reject) => this.#ask(type, data, timeoutMs, resolve, reject));
  }

  /** Sends a message and returns the events of the run that answers it. Without `session`: the main session. */
  run({ session, text }: { session?: string | undefined; text: string }): Run {
    const run: RunStream = new RunStream({
      cancel: (key, id) => {
        // Too late or no connection: either way the run's own events tell.
        this.request('message.cancel', { session: key, run: id }).catch(() => {});
      },
      finished: () => this.#runs.delete(run),
    });
    this.#runs.add(run);
    this.#ask(
      'message.send',
      { text, ...(session === undefined ? {} : { session }) },
      REQUEST_TIMEOUT_MS,
      (ack) => run.accept(ack),
      (error) => run.fail(error),
    );
    return run;
  }

  /**
   * Calls `listener` for each event of this type, of every session this connection is subscribed to (it is by sending to
   * it, or with `subscribe`). Listeners are called in order of arrival and must not throw.
   *
   * @returns a function that ends it
   */
  on<T extends EventType>(type: T, listener: Listener<T>): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** Ends the connection. What waits for an answer is rejected with `unavailable`. */
  async close(): Promise<void> {
    this.#socket.close(1000);
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #ask<T extends RequestType>(
    type: T,
    data: RequestData<T>,
    timeoutMs: number,
    resolve: (data: Replies[T]) => void,
    reject: (error: DhaavakError) => void,
  ): void {
    this.#lastId += 1;
    const id = `r${this.#lastId}`;
    const frame = encodeFrame({ id, type, timestamp: Date.now(), data });
    const refusal = this.#refusal(frame);
    if (refusal) {
      reject(refusal);
      return;
    }
    const timer = setTimeout(() => {
      this.#pending.delete(id);
      reject(new DhaavakError('unavailable', `no answer to ${type} within ${timeoutMs} ms; its outcome is unknown`));
    }, timeoutMs);
    this.#pending.set(id, { type, timer, resolve: (reply) => resolve(reply as Replies[T]), reject });
    this.#socket.send(frame as Uint8Array<ArrayBuffer>); // copies it at once
  }

  #refusal(frame: Uint8Array): DhaavakError | undefined {
    if (this.#socket.readyState !== WebSocket.OPEN) return new DhaavakError('unavailable', 'the connection is closed');
    if (frame.length > this.#limits.frameBytesMax) {
      return new DhaavakError('too_large', `a frame has at most ${this.#limits.frameBytesMax} bytes`);
    }
    if (this.#pending.size >= this.#limits.inFlightMax || this.#socket.bufferedAmount > BACKPRESSURE_BYTES_MAX) {
      return new DhaavakError('too_many_requests', 'too many requests wait for their answers');
    }
    return undefined;
  }

  #receive(message: unknown): void {
    let frame: Frame;
    try {
      frame = decodeFrame(new Uint8Array(message as ArrayBuffer));
    } catch (cause) {
      this.#fault = new DhaavakError('invalid_frame', 'the gateway sent a frame that is not msgpack', { cause });
      this.#socket.close(CLOSE_CODES.invalidFrame);
      return;
    }
    const pending = frame.id === null ? undefined : this.#pending.get(frame.id);
    if (pending) this.#settle(frame, pending);
    else if (Object.hasOwn(EVENT_TYPES, frame.type)) this.#publish({ type: frame.type, data: frame.data } as RunEvent);
    else if (frame.id === null && frame.error) this.#fault = DhaavakError.fromWire(frame.error);
    // Anything else is the answer to a request that was given up.
  }

  #settle({ id, type, data, error }: Frame, { type: asked, timer, resolve, reject }: Pending): void {
    this.#pending.delete(id as string);
    clearTimeout(timer);
    if (error) reject(DhaavakError.fromWire(error));
    else if (type === REPLY_TYPES[asked]) resolve(data);
    else reject(new DhaavakError('internal', `the gateway answered ${asked} with ${type}`));
  }

  #publish(event: RunEvent): void {
    for (const listener of this.#listeners.get(event.type) ?? []) listener(event.data as never);
    for (const run of this.#runs) run.offer(event);
  }

  #failAll(code: number, reason: string): void {
    const error =
      this.#fault ?? new DhaavakError('unavailable', `the connection ended (${code}${reason && `: ${reason}`})`);
    for (const { timer, reject } of this.#pending.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#pending.clear();
    for (const run of this.#runs) run.fail(error);
  }
}

function openSocket(url: string): WebSocket {
  try {
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    return socket;
  } catch (cause) {
    throw new DhaavakError('invalid_request', `${url} is not a WebSocket URL`, { param: 'url', cause });
  }
}

/** Waits until the socket is open; it closes without a reason when nobody is there. */
async function opened(socket: WebSocket, client: Client, url: string): Promise<void> {
  const open = new Promise<true>((resolve) => socket.addEventListener('open', () => resolve(true), { once: true }));
  if ((await Promise.race([open, client.closed])) !== true) {
    throw new DhaavakError('unavailable', `no gateway answers at ${url}`);
  }
}
