import type { WebSocket } from 'uWebSockets.js';
import { CLOSE_CODES, DhaavakError, toWireError } from '../protocol/errors.ts';
import { decodeFrame, encodeFrame } from '../protocol/frame.ts';
import { HELLO_TIMEOUT_MS, SUBSCRIPTIONS_MAX } from '../protocol/limits.ts';
import type { Receiver } from '../shards/receiver.ts';
import type { Topics } from './topics.ts';

/** What uWebSockets.js keeps for each socket. */
export interface SocketData {
  connection: Connection | undefined;
}

/** `ws.send` says 2 for a frame it dropped, and tells nobody else. */
const DROPPED = 2;

/** One WebSocket client, from its upgrade to its close. */
export class Connection implements Receiver {
  readonly #socket: WebSocket<SocketData>;
  readonly #topics: Topics;
  readonly #queued: Uint8Array[] = [];
  readonly #subscriptions = new Set<string>();
  #helloTimer: NodeJS.Timeout | undefined;
  #open = true;
  /** Requests that were passed on and not answered yet. */
  inFlight = 0;
  authenticated = false;
  /** Whether the client's last frame was JSON text: it gets the same back. */
  speaksJson = false;

  constructor(socket: WebSocket<SocketData>, topics: Topics) {
    this.#socket = socket;
    this.#topics = topics;
    this.#helloTimer = setTimeout(() => this.close(CLOSE_CODES.helloTimeout, 'no hello in time'), HELLO_TIMEOUT_MS);
  }

  /** `hello` was good: the connection may stay and ask. */
  accept(): void {
    this.authenticated = true;
    clearTimeout(this.#helloTimer);
  }

  queue(frame: Uint8Array): boolean {
    if (!this.#open) return false;
    return this.#queued.push(frame) === 1;
  }

  flush(): void {
    if (this.#open) this.#socket.cork(this.#sendQueued);
    this.#queued.length = 0;
  }

  #sendQueued = (): void => {
    for (const frame of this.#queued) this.send(frame);
  };

  /** Sends one msgpack frame; its bytes are used before this returns. Sending to a closed connection does nothing. */
  send(frame: Uint8Array): void {
    if (!this.#open) return;
    const result = this.speaksJson
      ? this.#socket.send(JSON.stringify(decodeFrame(frame)), false)
      : this.#socket.send(frame, true);
    // The socket is closed by its backpressure limit (see server.ts), so that nothing goes missing unnoticed.
    if (result === DROPPED) this.close(CLOSE_CODES.tooSlow, 'too slow');
  }

  reply(id: string | null, type: string, data: unknown): void {
    this.send(encodeFrame({ id, type, timestamp: Date.now(), data }));
  }

  fail(id: string | null, error: unknown): void {
    this.send(encodeFrame({ id, type: 'error', timestamp: Date.now(), error: toWireError(error) }));
  }

  answered(): void {
    this.inFlight--;
  }

  get subscriptionsFull(): boolean {
    return this.#subscriptions.size >= SUBSCRIPTIONS_MAX;
  }

  /** Throws `too_many_requests` when the session would be one too many. */
  checkSubscription(session: string | undefined): void {
    if (!this.subscriptionsFull || session === undefined || this.#subscriptions.has(session)) return;
    throw new DhaavakError('too_many_requests', `a connection hears at most ${SUBSCRIPTIONS_MAX} sessions`, {
      param: 'data.session',
    });
  }

  subscribe(session: string): void {
    if (!this.#open) return;
    this.#subscriptions.add(session);
    this.#topics.add(session, this);
  }

  unsubscribe(session: string): void {
    if (this.#subscriptions.delete(session)) this.#topics.remove(session, this);
  }

  /** Closes with a code of `CLOSE_CODES` or RFC 6455. */
  close(code: number, reason: string): void {
    if (this.#open) this.#socket.end(code, reason);
  }

  /** The socket is gone. */
  closed(): void {
    this.#open = false;
    clearTimeout(this.#helloTimer);
    for (const session of this.#subscriptions) this.#topics.remove(session, this);
    this.#subscriptions.clear();
  }
}
