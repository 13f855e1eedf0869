/**
 * A client of the wire protocol with nothing of ours in between: the standard WebSocket and plain msgpackr. It keeps every
 * frame in order of arrival, so that tests can look at what came before what, and it can send bytes that no good client
 * would. A frame that is not as the protocol says fails the test.
 */
import { Packr } from 'msgpackr';
import type { WireError } from '../../src/protocol/errors.ts';
import type { EventData, EventType, Replies, RequestType } from '../../src/protocol/messages.ts';
import { faultOf } from './check-frame.ts';
import { within } from './wait.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'number' });

/** Any value as msgpack: also frames the protocol refuses. */
export function pack(value: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(packr.pack(value));
}

/** A frame as it came. */
export interface ReceivedFrame {
  id: string | null;
  type: string;
  timestamp: number;
  data?: Record<string, unknown>;
  error?: WireError;
  /** Whether it came as JSON text. */
  json: boolean;
}

export interface ReceivedEvent<T extends EventType = EventType> extends ReceivedFrame {
  type: T;
  data: EventData<T> & Record<string, unknown>;
}

export interface ReceivedError extends ReceivedFrame {
  error: WireError;
}

export interface Closed {
  code: number;
  reason: string;
}

/** The connection ended while something was waited for. */
class ClosedWhileWaiting extends Error {}

export interface WireClientOptions {
  url: string;
  /** The token to say hello with. Undefined: no hello is said. */
  token?: string;
  /** Speak JSON text frames. */
  json?: boolean;
}

/** Connects and, where a token is given, says hello. */
export async function connectWire({ url, token, json = false }: WireClientOptions): Promise<WireClient> {
  const client = new WireClient(url, json);
  await client.opened;
  if (token !== undefined) await client.ask('hello', helloData(token));
  return client;
}

export function helloData(token: string) {
  return { protocol: [1, 1], client: { name: 'wire-client', version: '1' }, auth: { token } };
}

export class WireClient {
  /** Everything that came, oldest first. */
  readonly frames: ReceivedFrame[] = [];
  readonly opened: Promise<void>;
  readonly closed: Promise<Closed>;
  readonly #socket: WebSocket;
  readonly #json: boolean;
  readonly #waiting = new Set<() => void>();
  /** The type of each request, by its id. */
  readonly #asked = new Map<string, string>();
  #closedAs: Closed | undefined;
  /** What was wrong with the first frame that was not as the protocol says. */
  #fault: Error | undefined;
  #lastId = 0;

  constructor(url: string, json: boolean) {
    this.#json = json;
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = 'arraybuffer';
    this.opened = new Promise((resolve, reject) => {
      this.#socket.addEventListener('open', () => resolve());
      this.#socket.addEventListener('error', () => reject(new Error(`no WebSocket at ${url}`)));
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.#socket.addEventListener('close', ({ code, reason }) => {
        this.#closedAs = { code, reason };
        resolve(this.#closedAs);
        this.#look();
      });
    });
    this.#socket.addEventListener('message', ({ data }) => this.#receive(data));
  }

  /** Sends bytes as a binary frame, a string as a text frame, as they are. */
  raw(message: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(message);
  }

  /** Sends one request without waiting; returns its id. */
  send(type: string, data: unknown = {}): string {
    this.#lastId += 1;
    const id = `q${this.#lastId}`;
    const frame = { id, type, timestamp: Date.now(), data };
    this.#asked.set(id, type);
    this.raw(this.#json ? JSON.stringify(frame) : pack(frame));
    return id;
  }

  /** The reply to request `id`, whatever it is. */
  reply(id: string | null): Promise<ReceivedFrame> {
    return this.when(() => this.frames.find((frame) => frame.id === id));
  }

  /** Sends a request and returns the data of its reply. Throws when it is refused. */
  ask<T extends RequestType>(type: T, data: unknown = {}): Promise<Replies[T]> {
    const answered = this.reply(this.send(type, data)).then(({ error, data: reply }) => {
      if (error !== undefined) throw new Error(`${type} was refused: ${error.code}: ${error.message}`);
      return reply as unknown as Replies[T];
    });
    return mayBeLeft(answered);
  }

  /** Sends a request that must be refused and returns the error. */
  refusal(type: string, data: unknown = {}): Promise<WireError> {
    const answered = this.reply(this.send(type, data)).then((reply) => {
      if (reply.error === undefined) throw new Error(`${type} was not refused: ${JSON.stringify(reply)}`);
      return reply.error;
    });
    return mayBeLeft(answered);
  }

  /** The events so far, in order; of one type, one session or both. */
  events<T extends EventType>(type?: T, session?: string): ReceivedEvent<T>[] {
    return this.frames.filter(
      (frame): frame is ReceivedEvent<T> =>
        frame.data?.seq !== undefined &&
        frame.data.epoch !== undefined &&
        frame.type !== 'result' &&
        (type === undefined || frame.type === type) &&
        (session === undefined || frame.data.session === session),
    );
  }

  /** The `run.end` of message `message`. */
  runEnd(message: string): Promise<ReceivedEvent<'run.end'>> {
    return this.event('run.end', ({ data }) => data.message === message);
  }

  /** The first event of this type that matches, as soon as it is there. */
  event<T extends EventType>(type: T, matches: (event: ReceivedEvent<T>) => boolean = () => true) {
    return this.when(() => this.events(type).find(matches));
  }

  /** What `find` returns as soon as it is not undefined; looks after every frame. Throws after 15 s or at the close. */
  when<T>(find: () => T | undefined): Promise<T> {
    const found = new Promise<T>((resolve, reject) => {
      const look = (): void => {
        const value = find();
        if (value === undefined && this.#closedAs === undefined && this.#fault === undefined) return;
        this.#waiting.delete(look);
        if (this.#fault !== undefined) reject(this.#fault);
        else if (value !== undefined) resolve(value);
        else reject(new ClosedWhileWaiting(`closed with ${this.#closedAs?.code} while waiting`));
      };
      this.#waiting.add(look);
      look();
    });
    const last = (): string => `a frame; the last ones were ${JSON.stringify(this.frames.slice(-3))}`;
    return mayBeLeft(within(15_000, found, last));
  }

  /** Throws when a frame was not as the protocol says, whenever it came. */
  async close(): Promise<void> {
    this.#socket.close(1000);
    await this.closed;
    if (this.#fault !== undefined) throw this.#fault;
  }

  #receive(data: unknown): void {
    const json = typeof data === 'string';
    const frame = json ? JSON.parse(data) : packr.unpack(new Uint8Array(data as ArrayBuffer));
    this.#fault ??= faultOf(frame, this.#asked.get(frame.id));
    this.frames.push({ ...frame, json });
    this.#look();
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }
}

/**
 * The same promise, but that the end of the connection is told only to whoever waits for it: a test may begin to wait, fail or
 * be done before what it waits for, and close its connection. That is no error of its own beside the test's.
 */
function mayBeLeft<T>(waited: Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  waited.then(resolve, (error: unknown) => {
    if (error instanceof ClosedWhileWaiting) promise.catch(() => {});
    reject(error);
  });
  return promise;
}
