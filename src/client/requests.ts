import { DhaavakError } from '../protocol/errors.ts';
import type { Frame } from '../protocol/frame.ts';
import { BACKPRESSURE_BYTES_MAX, FRAME_BYTES_MAX, IN_FLIGHT_MAX } from '../protocol/limits.ts';
import { REPLY_TYPES, type Replies, type RequestData, type RequestType } from '../protocol/messages.ts';
import { encodeRequest, type Wire } from './wire.ts';

/** Requests that change nothing when they come twice (docs/protocol.md, Idempotency). A send has its key. */
const REPEATABLE: ReadonlySet<string> = new Set([
  'ping',
  'status',
  'subscribe',
  'unsubscribe',
  'message.send',
  'session.get',
  'session.history',
  'session.attachment',
  'session.list',
  'dead-letter.list',
  'dead-letter.resubmit',
  'channel.list',
  'memory.search',
  'memory.save',
  'memory.forget',
  'memory.list',
]);

/** A cancel that names its run can't hit another one. */
function isRepeatable(type: RequestType, data: unknown): boolean {
  return REPEATABLE.has(type) || (type === 'message.cancel' && (data as RequestData<typeof type>).run !== undefined);
}

interface Pending {
  readonly id: string;
  readonly type: RequestType;
  readonly data: unknown;
  readonly timer: ReturnType<typeof setTimeout>;
  /** Where it was sent last; undefined while it waits for a connection. */
  wire: Wire | undefined;
  /** Called while the reply is being dispatched, before any event that follows it. */
  resolve(data: unknown): void;
  reject(error: DhaavakError): void;
}

/** A request that was answered. */
export interface Answered {
  type: RequestType;
  data: unknown;
}

/**
 * The requests that wait for their replies, over all connections of a client: what was cut and may be repeated is sent
 * again on the next connection in the same order, the rest is rejected as `unavailable`.
 */
export class Requests {
  readonly #pending = new Map<string, Pending>();
  readonly #onAnswer: (answer: Answered) => void;
  #wire: Wire | undefined;
  #lastId = 0;
  #limits = { frameBytesMax: FRAME_BYTES_MAX, inFlightMax: IN_FLIGHT_MAX };
  /** Why nothing can be asked any more. */
  #end: DhaavakError | undefined;

  /** `onAnswer` is called with every good reply, after the one who asked. */
  constructor(onAnswer: (answer: Answered) => void) {
    this.#onAnswer = onAnswer;
  }

  /**
   * Sends a request: now, or as soon as there is a connection.
   *
   * @param timeoutMs time until its reply, also that without a connection
   * @param only the connection it is for; it does not wait for another one
   */
  ask<T extends RequestType>(
    type: T,
    data: RequestData<T>,
    timeoutMs: number,
    resolve: (data: Replies[T]) => void,
    reject: (error: DhaavakError) => void,
    only?: Wire,
  ): void {
    this.#lastId += 1;
    const id = `r${this.#lastId}`;
    const frame = encodeRequest(id, type, data);
    const refusal = this.#refusal(frame, only);
    if (refusal) {
      reject(refusal);
      return;
    }
    const timer = setTimeout(() => {
      this.#pending.delete(id);
      reject(new DhaavakError('unavailable', `no answer to ${type} within ${timeoutMs} ms; its outcome is unknown`));
    }, timeoutMs);
    const wire = only ?? (this.#wire?.isOpen ? this.#wire : undefined);
    this.#pending.set(id, { id, type, data, timer, wire, resolve: (reply) => resolve(reply as Replies[T]), reject });
    wire?.send(frame);
  }

  /** A promise of the reply on this very connection: for what makes a connection ready. */
  askOn<T extends RequestType>(wire: Wire, type: T, data: RequestData<T>, timeoutMs: number): Promise<Replies[T]> {
    return new Promise((resolve, reject) => this.ask(type, data, timeoutMs, resolve, reject, wire));
  }

  /** From now on requests go over `wire`; what waits is sent. */
  attach(wire: Wire, limits: { frameBytesMax: number; inFlightMax: number }): void {
    this.#wire = wire;
    this.#limits = limits;
    for (const pending of this.#pending.values()) {
      if (pending.wire !== undefined) continue;
      pending.wire = wire;
      wire.send(encodeRequest(pending.id, pending.type, pending.data));
    }
  }

  /** The connection has ended and another one may follow. */
  cut(wire: Wire, error: DhaavakError): void {
    const waits = wire === this.#wire;
    if (waits) this.#wire = undefined;
    for (const pending of this.#pending.values()) {
      if (pending.wire !== wire) continue;
      if (waits && isRepeatable(pending.type, pending.data)) pending.wire = undefined;
      else this.#drop(pending, error);
    }
  }

  /** There will be no other connection. */
  fail(error: DhaavakError): void {
    this.#end = error;
    for (const pending of this.#pending.values()) this.#drop(pending, error);
  }

  /** Takes a frame if it is the reply to a request that waits. */
  settle({ id, type, data, error }: Frame): boolean {
    const pending = id === null ? undefined : this.#pending.get(id);
    if (pending === undefined) return false;
    this.#pending.delete(pending.id);
    clearTimeout(pending.timer);
    if (error) {
      pending.reject(DhaavakError.fromWire(error));
    } else if (type === REPLY_TYPES[pending.type]) {
      pending.resolve(data);
      this.#onAnswer({ type: pending.type, data });
    } else {
      pending.reject(new DhaavakError('internal', `the gateway answered ${pending.type} with ${type}`));
    }
    return true;
  }

  #drop({ id, timer, reject }: Pending, error: DhaavakError): void {
    this.#pending.delete(id);
    clearTimeout(timer);
    reject(error);
  }

  #refusal(frame: Uint8Array, only: Wire | undefined): DhaavakError | undefined {
    if (this.#end || only?.isOpen === false)
      return this.#end ?? new DhaavakError('unavailable', 'the connection ended');
    if (frame.length > this.#limits.frameBytesMax) {
      return new DhaavakError('too_large', `a frame has at most ${this.#limits.frameBytesMax} bytes`);
    }
    const buffered = this.#wire?.bufferedBytes ?? 0;
    if (only === undefined && (this.#pending.size >= this.#limits.inFlightMax || buffered > BACKPRESSURE_BYTES_MAX)) {
      return new DhaavakError('too_many_requests', 'too many requests wait for their answers');
    }
    return undefined;
  }
}
