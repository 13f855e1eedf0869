/** The shards, as the channels' thread reaches them through the main thread. */
import { DhaavakError, type WireError } from '../protocol/errors.ts';
import { decodeFrame, encodeFrame } from '../protocol/frame.ts';
import type { EventData, EventType } from '../protocol/messages.ts';
import type { Link } from '../shards/link.ts';
import { CHANNEL_RECORD } from './control.ts';
import type { ChannelReplies, ChannelRequests, ChannelRequestType } from './requests.ts';

/** How long a reply is waited for. After that nobody knows; the same request may be made again, since it has a key. */
const REPLY_TIMEOUT_MS = 15_000;

interface Waiting {
  resolve(data: unknown): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

/** An event of a session that is listened to. */
export type SessionEvent = { [T in EventType]: { type: T; data: EventData<T> } }[EventType];

export class ShardClient {
  readonly #link: Pick<Link, 'send' | 'sendWithTurn'>;
  readonly #generation: number;
  readonly #onEvent: (event: SessionEvent) => void;
  readonly #waiting = new Map<string, Waiting>();
  #last = 0;

  constructor(link: Pick<Link, 'send' | 'sendWithTurn'>, generation: number, onEvent: (event: SessionEvent) => void) {
    this.#link = link;
    this.#generation = generation;
    this.#onEvent = onEvent;
  }

  /**
   * Asks the session `key`. `onReply` is called at once with the reply, before any event that follows it. Throws a
   * DhaavakError; `unavailable`: what became of the request is not known.
   */
  request<T extends ChannelRequestType>(
    type: T,
    key: string,
    data: ChannelRequests[T],
    onReply?: (reply: ChannelReplies[T]) => void,
  ): Promise<ChannelReplies[T]> {
    this.#last = (this.#last + 1) >>> 0;
    const number = this.#last;
    const id = `${this.#generation}-${number}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id)?.reject(late()), REPLY_TIMEOUT_MS);
      const settle = (reply: unknown): void => {
        onReply?.(reply as ChannelReplies[T]);
        resolve(reply as ChannelReplies[T]);
      };
      this.#waiting.set(id, { resolve: settle, reject, timer });
      const frame = encodeFrame({ id, type, timestamp: Date.now(), data });
      if (this.#link.sendWithTurn(CHANNEL_RECORD.request, number, key, frame)) return;
      this.#settle(id)?.reject(new DhaavakError('busy', 'the front end is too far behind', { retryAfterMs: 500 }));
    });
  }

  /** No more events of the session are wanted. */
  unsubscribe(key: string): void {
    this.#link.sendWithTurn(CHANNEL_RECORD.unsubscribe, 0, key, NOTHING);
  }

  /** Takes a frame that came: a reply, or an event. */
  receive(bytes: Uint8Array): void {
    const { id, type, data, error } = decodeFrame(bytes);
    const waiting = this.#settle(id ?? '');
    if (waiting === undefined) {
      if ((data as { epoch?: string } | undefined)?.epoch !== undefined) this.#onEvent({ type, data } as SessionEvent);
    } else if (error === undefined) waiting.resolve(data);
    else waiting.reject(DhaavakError.fromWire(error as WireError));
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

const NOTHING = new Uint8Array(0);
