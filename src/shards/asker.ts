/** Requests of a thread to sessions, wherever they live: they go through the main thread, which passes them on unread. */
import { DhaavakError, type WireError } from '../protocol/errors.ts';
import { decodeFrame, encodeFrame } from '../protocol/frame.ts';

interface Waiting {
  resolve(data: unknown): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

export interface AskOptions<Reply> {
  /** How long a reply is waited for, in milliseconds. After that nobody knows what became of the request. */
  timeoutMs: number;
  /** Called at once with the reply, before anything that follows it. */
  onReply?: ((reply: Reply) => void) | undefined;
}

/** A frame that answers no request. */
export interface Unasked {
  type: string;
  data: unknown;
}

export class Asker {
  readonly #send: (number: number, session: string, frame: Uint8Array) => boolean;
  readonly #generation: string;
  readonly #waitingMax: number;
  readonly #waiting = new Map<string, Waiting>();
  #last = 0;

  /**
   * `send` passes a frame on and says whether it was taken. Ids of requests begin with `generation`, another one for each
   * life of the thread: what is meant for the one before is not taken. More than `waitingMax` requests do not wait at once.
   */
  constructor(
    send: (number: number, session: string, frame: Uint8Array) => boolean,
    generation: string,
    waitingMax = Number.POSITIVE_INFINITY,
  ) {
    this.#send = send;
    this.#generation = generation;
    this.#waitingMax = waitingMax;
  }

  /** Throws a DhaavakError; `unavailable`: what became of the request is not known. */
  ask<Reply>(type: string, session: string, data: unknown, options: AskOptions<Reply>): Promise<Reply> {
    if (this.#waiting.size >= this.#waitingMax) {
      const message = `${this.#waitingMax} requests to other sessions wait for an answer`;
      return Promise.reject(new DhaavakError('busy', message, { retryAfterMs: 500 }));
    }
    this.#last = (this.#last + 1) >>> 0;
    const number = this.#last;
    const id = `${this.#generation}-${number}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id)?.reject(late()), options.timeoutMs);
      const settle = (reply: unknown): void => {
        options.onReply?.(reply as Reply);
        resolve(reply as Reply);
      };
      this.#waiting.set(id, { resolve: settle, reject, timer });
      const frame = encodeFrame({ id, type, timestamp: Date.now(), data });
      if (this.#send(number, session, frame)) return;
      this.#settle(id)?.reject(new DhaavakError('busy', 'the front end is too far behind', { retryAfterMs: 500 }));
    });
  }

  /** Takes a frame that came. Returns one that answers no request that waits. */
  receive(bytes: Uint8Array): Unasked | undefined {
    const { id, type, data, error } = decodeFrame(bytes);
    const waiting = this.#settle(id ?? '');
    if (waiting === undefined) return { type, data };
    if (error === undefined) waiting.resolve(data);
    else waiting.reject(DhaavakError.fromWire(error as WireError));
    return undefined;
  }

  #settle(id: string): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    return waiting;
  }
}

function late(): DhaavakError {
  return new DhaavakError('unavailable', 'the worker of the session does not answer', { retryAfterMs: 500 });
}
