import type { WebSocket } from 'uWebSockets.js';
import { CLOSE_CODES, DhaavakError, toWireError } from '../protocol/errors.ts';
import { decodeFrame, encodeFrame } from '../protocol/frame.ts';
import {
  BACKPRESSURE_BYTES_MAX,
  BACKPRESSURE_BYTES_MERGE,
  HELLO_TIMEOUT_MS,
  SLOW_CLOSE_MS,
  SUBSCRIPTIONS_MAX,
} from '../protocol/limits.ts';
import type { GatewayCounters, Presence } from '../protocol/messages.ts';
import type { Receiver } from '../shards/receiver.ts';
import { Backlog } from './backlog.ts';
import type { Pace } from './pace.ts';
import type { Grant } from './scopes.ts';
import type { Topics } from './topics.ts';

/** What uWebSockets.js keeps for each socket. */
export interface SocketData {
  /** Where it comes from, as `addressOf` in server.ts names it. */
  address: string;
  connection: Connection | undefined;
}

/**
 * Requests of one connection that the shards have and did not answer. More of them wait here, so that nobody else's stand
 * behind a flood: a shard takes requests in the order in which they reach it.
 */
const PASSED_ON_MAX = 64;

/** `ws.send` says 2 for a frame it dropped, and tells nobody else. */
const DROPPED = 2;

/** One WebSocket client, from its upgrade to its close. */
export class Connection implements Receiver {
  readonly #socket: WebSocket<SocketData>;
  readonly #topics: Topics;
  readonly #counters: GatewayCounters;
  readonly #queued: Uint8Array[] = [];
  /** Made with the first one: most connections of a busy gateway are idle. */
  #subscriptions: Set<string> | undefined;
  #helloTimer: NodeJS.Timeout | undefined;
  #slowTimer: NodeJS.Timeout | undefined;
  /** There once over BACKPRESSURE_BYTES_MERGE wait in the socket, until nothing waits here: it takes all that comes. */
  #backlog: Backlog | undefined;
  #open = true;
  #allowance = 0;
  /** The tick of the last refill; long ago, so that the first request finds the bucket full. */
  #allowedAt = -1_000;
  readonly address: string;
  /** Requests that are not answered yet, those that wait to be passed on included. */
  inFlight = 0;
  /** Requests that wait until the shards have fewer of this connection; made with the first one. */
  #waiting: (() => void)[] | undefined;
  authenticated = false;
  /** A `hello` is being looked at: nothing may come before its answer. */
  checking = false;
  /** Whether the client's last frame was JSON text: it gets the same back. */
  speaksJson = false;
  /** Scopes as bits; see `scopes.ts`. */
  scopeBits = 0;
  grant: Grant | undefined;
  presence: Presence | undefined;

  constructor(socket: WebSocket<SocketData>, topics: Topics, counters: GatewayCounters, address = '') {
    this.#socket = socket;
    this.#topics = topics;
    this.#counters = counters;
    this.address = address;
    this.#helloTimer = setTimeout(() => this.close(CLOSE_CODES.helloTimeout, 'no hello in time'), HELLO_TIMEOUT_MS);
  }

  get open(): boolean {
    return this.#open;
  }

  /** `hello` was good: the connection may stay and ask for what its credential is good for. */
  accept(grant: Grant, presence: Presence): void {
    this.authenticated = true;
    this.grant = grant;
    this.presence = presence;
    this.scopeBits = grant.bits;
    clearTimeout(this.#helloTimer);
    this.#helloTimer = undefined; // and its memory
  }

  /** Takes one request off the connection's allowance (a token bucket). False: there is none left in this tick. */
  spend(pace: Pace): boolean {
    if (this.#allowedAt !== pace.tick) {
      this.#allowance = Math.min(pace.burst, this.#allowance + (pace.tick - this.#allowedAt) * pace.perTick);
      this.#allowedAt = pace.tick;
    }
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }

  queue(frame: Uint8Array): boolean {
    if (!this.#open) return false;
    return this.#queued.push(frame) === 1;
  }

  flush(): void {
    if (this.#open) {
      this.#socket.cork(() => {
        for (const frame of this.#queued) this.send(frame);
      });
    }
    this.#queued.length = 0;
    if (!this.#open || this.#slowTimer !== undefined || this.#backlog !== undefined) return;
    // Not before the cork has ended: only what waits now is sure to drain one day, and to let out what waits here.
    if (this.#socket.getBufferedAmount() > BACKPRESSURE_BYTES_MERGE) this.#backlog = new Backlog();
  }

  /** Sends one msgpack frame; its bytes are used before this returns. Sending to a closed connection does nothing. */
  send(frame: Uint8Array): void {
    const backlog = this.#backlog;
    if (backlog === undefined) this.#write(frame);
    else if (this.#open && this.#slowTimer === undefined) {
      const before = backlog.merged;
      backlog.add(frame);
      this.#counters.deltasMerged += backlog.merged - before;
      if (this.#open && this.#socket.getBufferedAmount() + backlog.bytes > BACKPRESSURE_BYTES_MAX) this.#tooSlow();
    }
  }

  #write(frame: Uint8Array): void {
    if (!this.#open || this.#slowTimer !== undefined) return;
    const result = this.speaksJson
      ? this.#socket.send(JSON.stringify(decodeFrame(frame)), false)
      : this.#socket.send(frame, true);
    // What uWebSockets.js drops at `maxBackpressure` is not lost unnoticed: nothing more is sent, and the code says why.
    if (result === DROPPED) this.#tooSlow();
  }

  /**
   * Too much waits: it is given up, and the client is sent nothing more. Once it has read what is in the socket it is told
   * the code (a close frame stands in line like any other); one that does not read is cut off.
   */
  #tooSlow(): void {
    if (!this.#open || this.#slowTimer !== undefined) return;
    this.#counters.slowClosed += 1;
    this.#backlog = undefined;
    this.#slowTimer = setTimeout(() => {
      if (this.#open) this.#socket.close();
    }, SLOW_CLOSE_MS);
    this.#leaveTopics();
  }

  /** The socket has sent some of what waited. */
  drained(): void {
    if (!this.#open) return;
    if (this.#slowTimer !== undefined) {
      if (this.#socket.getBufferedAmount() === 0) this.close(CLOSE_CODES.tooSlow, 'too slow');
      return;
    }
    this.#release(() => this.#socket.getBufferedAmount() <= BACKPRESSURE_BYTES_MERGE);
  }

  /** Puts what waits here into the socket, as long as there is room. */
  #release(isRoom: () => boolean): void {
    const backlog = this.#backlog;
    if (backlog === undefined || !isRoom()) return;
    backlog.release((frame) => {
      this.#write(frame);
      return isRoom();
    });
    if (backlog.empty) this.#backlog = undefined;
  }

  reply(id: string | null, type: string, data: unknown): void {
    this.send(encodeFrame({ id, type, timestamp: Date.now(), data }));
  }

  fail(id: string | null, error: unknown): void {
    this.send(encodeFrame({ id, type: 'error', timestamp: Date.now(), error: toWireError(error) }));
  }

  /** Whether the shards have as many requests of this connection as they may. */
  get mustWait(): boolean {
    return this.inFlight - (this.#waiting?.length ?? 0) >= PASSED_ON_MAX;
  }

  /** `pass` is called when requests before it are answered, in the order in which they came; it does not throw. */
  wait(pass: () => void): void {
    this.#waiting ??= [];
    this.#waiting.push(pass);
    this.inFlight++;
  }

  answered(): void {
    this.inFlight--;
    const next = this.#waiting?.shift();
    if (this.#waiting?.length === 0) this.#waiting = undefined;
    next?.();
  }

  get subscriptionsFull(): boolean {
    return this.#subscriptions !== undefined && this.#subscriptions.size >= SUBSCRIPTIONS_MAX;
  }

  /** Throws `too_many_requests` when the session would be one too many. */
  checkSubscription(session: string | undefined): void {
    if (!this.subscriptionsFull || session === undefined || this.#subscriptions?.has(session)) return;
    throw new DhaavakError('too_many_requests', `a connection hears at most ${SUBSCRIPTIONS_MAX} sessions`, {
      param: 'data.session',
    });
  }

  subscribe(session: string): void {
    if (!this.#open || this.#slowTimer !== undefined) return;
    this.#subscriptions ??= new Set();
    this.#subscriptions.add(session);
    this.#topics.add(session, this);
  }

  unsubscribe(session: string): void {
    if (this.#subscriptions?.delete(session)) this.#topics.remove(session, this);
  }

  /** Closes with a code of `CLOSE_CODES` or RFC 6455, after what waits for the client. */
  close(code: number, reason: string): void {
    if (!this.#open) return;
    this.#release(() => true);
    if (this.#open) this.#socket.end(code, reason);
  }

  /** The socket is gone. */
  closed(): void {
    this.#open = false;
    clearTimeout(this.#helloTimer);
    clearTimeout(this.#slowTimer);
    this.#backlog = undefined;
    this.#leaveTopics();
  }

  #leaveTopics(): void {
    for (const session of this.#subscriptions ?? []) this.#topics.remove(session, this);
    this.#subscriptions = undefined;
  }
}
