/**
 * The TypeScript client: the wire protocol over the standard `WebSocket`, in browsers and in Node 20 and later.
 *
 *     const client = await connect({ url: 'ws://127.0.0.1:18789/ws', token });
 *     for await (const event of client.run({ text: 'What time is it?' })) {
 *       if (event.type === 'message.delta') process.stdout.write(event.data.text);
 *     }
 *     await client.close();
 *
 * When the connection is lost it connects again: after a growing delay it says hello, subscribes to the same sessions from
 * the newest event it has seen, and sends again what may be sent twice. Every message has an idempotency key, so that one
 * that was cut is accepted once. Where events are gone for good (`recovered: false`), the listeners of `gap` are told.
 */
import type { DhaavakError } from '../protocol/errors.ts';
import type { Frame } from '../protocol/frame.ts';
import { PROTOCOL_MAX, PROTOCOL_MIN } from '../protocol/limits.ts';
import {
  type EventData,
  type EventType,
  type GatewayEvents,
  REPLY_TYPES,
  type Replies,
  type RequestData,
  type RequestType,
} from '../protocol/messages.ts';
import type { ReconnectOptions } from './backoff.ts';
import { type ClientState, CONNECT_TIMEOUT_MS, Keeper } from './keeper.ts';
import { type Position, Positions } from './positions.ts';
import { type Answered, Requests } from './requests.ts';
import { type Run, type RunEvent, RunStream } from './run.ts';
import { endFromHistory } from './settle.ts';
import type { Closed, Wire } from './wire.ts';

export type { ReconnectOptions } from './backoff.ts';
export type { ClientState } from './keeper.ts';
export type { Run, RunEvent } from './run.ts';
export type { Closed } from './wire.ts';

const REQUEST_TIMEOUT_MS = 30_000;
const HEARTBEAT_MS = 30_000;
/** Subscriptions asked for at once after a reconnect: half of what may be in flight. */
const RESUMED_AT_ONCE = 128;
const ANSWERS: ReadonlySet<string> = new Set([...Object.values(REPLY_TYPES), 'error']);
/** Who we say we are when the caller does not. A test keeps the version equal to the gateway's. */
export const DEFAULT_CLIENT = { name: 'dhaavak-client', version: '0.1.0' };

export interface ConnectOptions {
  /** For example `ws://127.0.0.1:18789/ws`. */
  url: string;
  /** One of the two; `token` is taken where both are given. */
  token?: string | undefined;
  password?: string | undefined;
  /** Shown in the gateway's log. */
  client?: { name: string; version: string };
  /** Whether and how to come back when the connection is lost. False: the client ends with its connection. */
  reconnect?: ReconnectOptions | false;
  /**
   * A connection that is silent for this long, and then again after a `ping`, counts as lost. In milliseconds, default
   * 30,000.
   */
  heartbeatMs?: number;
  /** Ends the client, whenever it aborts. */
  signal?: AbortSignal;
}

/** Events of a session were missed and can't be had any more: its transcript is to be read again. */
export interface Gap extends Position {
  session: string;
}

/** What can be listened to: the events of the gateway, and the client's own. */
export type ListenerData<T> = T extends EventType
  ? EventData<T>
  : T extends keyof GatewayEvents
    ? GatewayEvents[T]
    : T extends 'gap'
      ? Gap
      : T extends 'state'
        ? ClientState
        : never;
export type ListenerType = EventType | keyof GatewayEvents | 'gap' | 'state';

export interface Message {
  /** Without it: the main session. */
  session?: string | undefined;
  text: string;
  /** Images that go with it: see `Images` in docs/protocol.md. */
  attachments?: RequestData<'message.send'>['attachments'];
  /** Default: a new one, which is right unless the message was sent before. */
  idempotencyKey?: string;
}

/**
 * Connects and says `hello`. This first time there is one try.
 *
 * @throws DhaavakError `unavailable` when nobody answers within 10 s, `unauthorized` for a wrong token,
 *   `protocol_unsupported`, or `invalid_request` when `url` is not a WebSocket URL; the signal's reason when it aborts
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  options.signal?.throwIfAborted();
  const client = new Client(options);
  try {
    await client.open();
    return client;
  } catch (error) {
    await client.close();
    throw options.signal?.aborted ? options.signal.reason : error;
  }
}

/** A client of one gateway, over one connection after another. Made by {@link connect}. */
export class Client {
  /** Resolves, never rejects, when the client is spent: closed, refused for good, or lost without reconnecting. */
  readonly closed: Promise<Closed>;
  readonly #hello: RequestData<'hello'>;
  readonly #keeper: Keeper;
  readonly #requests = new Requests((answer) => this.#note(answer));
  readonly #positions = new Positions();
  readonly #listeners = new Map<string, Set<(data: never) => void>>();
  readonly #runs = new Set<RunStream>();

  constructor({
    url,
    token,
    password = '',
    client = DEFAULT_CLIENT,
    reconnect = {},
    heartbeatMs = HEARTBEAT_MS,
    signal,
  }: ConnectOptions) {
    this.#hello = {
      protocol: [PROTOCOL_MIN, PROTOCOL_MAX],
      client,
      auth: token === undefined ? { password } : { token },
    };
    this.#keeper = new Keeper(url, reconnect, heartbeatMs, {
      onFrame: (frame) => this.#receive(frame),
      prepare: (wire) => this.#prepare(wire),
      ping: (wire) => this.#requests.askOn(wire, 'ping', {}, heartbeatMs),
      onLost: (wire, error) => this.#requests.cut(wire, error),
      onEnd: (error) => this.#fail(error),
      onState: (state) => this.#tell('state', state),
    });
    this.closed = this.#keeper.closed;
    const stop = (): void => this.#keeper.stop();
    signal?.addEventListener('abort', stop, { once: true });
    void this.closed.then(() => signal?.removeEventListener('abort', stop));
  }

  get state(): ClientState {
    return this.#keeper.state;
  }

  /** The first connection; from then on the client keeps itself connected. Called by {@link connect}. */
  open(): Promise<void> {
    return this.#keeper.open();
  }

  /**
   * Sends one request and waits for its reply. Without a connection it waits for the next one.
   *
   * @param timeoutMs until the reply, reconnecting included; default 30 s
   * @throws DhaavakError the gateway's answer; `unavailable` when there is none in time, or the connection was lost and
   *   the request must not be repeated: then the outcome is unknown; `too_many_requests` or `too_large`, before anything
   *   is sent, when a limit is reached
   */
  request<T extends RequestType>(
    type: T,
    data: RequestData<T>,
    { timeoutMs = REQUEST_TIMEOUT_MS }: { timeoutMs?: number } = {},
  ): Promise<Replies[T]> {
    return new Promise((resolve, reject) => this.#requests.ask(type, withKey(type, data), timeoutMs, resolve, reject));
  }

  /** Sends a message and returns the events of the run that answers it. */
  run(message: Message): Run {
    const run: RunStream = new RunStream({
      cancel: (session, id) => {
        // Too late or no connection: either way the run's own events tell.
        this.request('message.cancel', { session, run: id }).catch(() => {});
      },
      finished: () => this.#runs.delete(run),
    });
    this.#runs.add(run);
    const { session, text, attachments, idempotencyKey = newKey() } = message;
    this.#requests.ask(
      'message.send',
      {
        text,
        idempotencyKey,
        ...(session === undefined ? {} : { session }),
        ...(attachments === undefined ? {} : { attachments }),
      },
      REQUEST_TIMEOUT_MS,
      (ack) => {
        // The first sending was accepted, and the connection was lost before its events could be heard.
        const missed = ack.duplicate === true && (run.missed || !this.#positions.has(ack.session));
        run.accept(ack);
        if (missed) void this.#settle(run);
      },
      (error) => run.fail(error),
    );
    return run;
  }

  /**
   * Calls `listener` for each event of this type, of every session this client is subscribed to (it is by sending to it, or
   * with `subscribe`), or of the gateway where it was asked to `watch` (after a reconnect it is to be asked again); `gap` when events of a session were missed; `state` when the connection changes. Listeners are
   * called in order of arrival and must not throw.
   *
   * @returns a function that ends it
   */
  on<T extends ListenerType>(type: T, listener: (data: ListenerData<T>) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** Ends the client. What waits for an answer is rejected with `unavailable`. */
  async close(): Promise<void> {
    this.#keeper.stop();
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #prepare(wire: Wire): Promise<void> {
    const { limits } = await this.#requests.askOn(wire, 'hello', this.#hello, CONNECT_TIMEOUT_MS);
    const sessions = this.#positions.resumptions();
    for (let first = 0; first < sessions.length; first += RESUMED_AT_ONCE) {
      await Promise.all(sessions.slice(first, first + RESUMED_AT_ONCE).map((data) => this.#resume(wire, data)));
    }
    this.#requests.attach(wire, limits);
  }

  /** Subscribes again. What was missed has been replayed when the reply comes, or it never will be. */
  async #resume(wire: Wire, data: RequestData<'subscribe'>): Promise<void> {
    const { session } = data;
    try {
      const { recovered, epoch, seq } = await this.#requests.askOn(wire, 'subscribe', data, CONNECT_TIMEOUT_MS);
      if (recovered && data.epoch !== undefined) return;
      this.#tell('gap', { session, epoch, seq });
      for (const run of this.#runs) {
        if (run.session === undefined) run.missed = true;
        else if (run.session === session) void this.#settle(run);
      }
    } catch (thrown) {
      const error = thrown as DhaavakError;
      if (error.retryable) throw error; // the next connection tries again
      this.#positions.remove(session);
      for (const run of this.#runs) if (run.session === session) run.fail(error);
    }
  }

  /** Ends a run whose last events were missed; one that still goes on is left alone. */
  async #settle(run: RunStream): Promise<void> {
    const { session, message } = run;
    if (session === undefined || message === undefined) return;
    try {
      const events = await endFromHistory(session, message, (before, limit) =>
        this.request('session.history', { session, limit, ...(before === undefined ? {} : { before }) }),
      );
      for (const event of events) run.offer(event);
    } catch (error) {
      run.fail(error as DhaavakError);
    }
  }

  #receive(frame: Frame): void {
    // A reply that nobody waits for is the answer to a request that was given up.
    if (this.#requests.settle(frame) || ANSWERS.has(frame.type)) return;
    const data = (frame.data ?? {}) as Partial<EventData<EventType>> & { reconnectAfterMs?: number };
    if (frame.type === 'goaway') this.#keeper.awayMs = data.reconnectAfterMs ?? 0;
    const { session, epoch, seq } = data;
    if (session === undefined || epoch === undefined || seq === undefined) {
      this.#tell(frame.type, data);
    } else if (this.#positions.advance(session, { epoch, seq })) {
      this.#tell(frame.type, data);
      for (const run of this.#runs) run.offer({ type: frame.type, data } as RunEvent);
    }
  }

  /** Keeps account of what this client is subscribed to. */
  #note({ type, data }: Answered): void {
    if (type === 'message.send') {
      this.#positions.add((data as Replies['message.send']).session);
    } else if (type === 'subscribe') {
      const { session, epoch, seq } = data as Replies['subscribe'];
      this.#positions.add(session, { epoch, seq });
    } else if (type === 'unsubscribe') {
      this.#positions.remove((data as Replies['unsubscribe']).session);
    }
  }

  #tell(type: string, data: unknown): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(data as never);
  }

  #fail(error: DhaavakError): void {
    this.#requests.fail(error);
    for (const run of this.#runs) run.fail(error);
  }
}

/** 128 random bits. (`crypto.randomUUID` is not there on pages without TLS.) */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A message and a fact get a key, so that they can be sent again. */
function withKey<T extends RequestType>(type: T, data: RequestData<T>): RequestData<T> {
  return type === 'message.send' || type === 'memory.save' ? { idempotencyKey: newKey(), ...data } : data;
}
