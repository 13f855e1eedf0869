/** The shards, as the channels' thread reaches them through the main thread. */
import type { EventData, EventType } from '../protocol/messages.ts';
import { Asker } from '../shards/asker.ts';
import type { Link } from '../shards/link.ts';
import { CHANNEL_RECORD } from './control.ts';
import type { ChannelReplies, ChannelRequests, ChannelRequestType } from './requests.ts';

/** How long a reply is waited for. After that nobody knows; the same request may be made again, since it has a key. */
const REPLY_TIMEOUT_MS = 15_000;

/** An event of a session that is listened to. */
export type SessionEvent = { [T in EventType]: { type: T; data: EventData<T> } }[EventType];

export class ShardClient {
  readonly #link: Pick<Link, 'send' | 'sendWithTurn'>;
  readonly #onEvent: (event: SessionEvent) => void;
  readonly #asker: Asker;

  constructor(link: Pick<Link, 'send' | 'sendWithTurn'>, generation: number, onEvent: (event: SessionEvent) => void) {
    this.#link = link;
    this.#onEvent = onEvent;
    this.#asker = new Asker(
      (number, key, frame) => link.sendWithTurn(CHANNEL_RECORD.request, number, key, frame),
      String(generation),
    );
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
    return this.#asker.ask(type, key, data, { timeoutMs: REPLY_TIMEOUT_MS, onReply });
  }

  /** No more events of the session are wanted. */
  unsubscribe(key: string): void {
    this.#link.sendWithTurn(CHANNEL_RECORD.unsubscribe, 0, key, NOTHING);
  }

  /** Takes a frame that came: a reply, or an event. */
  receive(bytes: Uint8Array): void {
    const unasked = this.#asker.receive(bytes);
    if ((unasked?.data as { epoch?: string } | undefined)?.epoch !== undefined) this.#onEvent(unasked as SessionEvent);
  }
}

const NOTHING = new Uint8Array(0);
