/**
 * How an answer that is being made is shown in a chat: `off` (typing only), `edit` (one message that grows; a long one goes
 * on in further messages) or `block` (each finished paragraph as a message).
 *
 *     const live = new LiveAnswer({ adapter, chat, replyTo, mode, clock, newKey, log, signal });   // at run.start
 *     live.delta(text)                            // message.delta
 *     live.turn()                                 // tool.start: what follows is another turn's text
 *     const ids = await live.seal()               // before the outbox journals what it intends: nothing more is shown;
 *                                                 //   messages that `finish` will edit
 *     const { shown, unknown, rest } = await live.finish(text)   // message.outbound: made final. Never rejects
 *     await live.abandon()                        // instead: there will be no answer; what is shown stays
 *
 * What `finish` resolves with is all of the final text, in order: `shown` is on the platform for good, of `unknown` nobody
 * knows, and the outbox is to send `rest`, one message each.
 *
 * Showing is worth nothing durable: previews are in no journal. When the process dies, the run is made again by the next
 * one, and its answer comes whole, beside the preview (or the paragraphs) of the first. What is on the platform of an
 * answer that is final is journalled by the outbox. When it dies between `seal` and what the outbox records after `finish`,
 * editing the messages of `seal` to the same pieces again is harmless.
 */
import type { Logger } from 'pino';
import type { Adapter, Chat } from '../channels/adapter.ts';
import type { AnyAccount } from '../config/channels.ts';
import type { Clock } from '../runtime/clock.ts';

export interface LiveAnswerOptions {
  adapter: Adapter;
  chat: Chat;
  /** The message it answers: the first message shown is a reply to it. */
  replyTo?: string | undefined;
  mode: AnyAccount['streaming'];
  clock: Clock;
  /** A new key for each message, as `OutboundMessage.key` wants it. */
  newKey(): string;
  log: Logger;
  /** Aborted when the gateway stops at once. */
  signal: AbortSignal;
}

/** A piece of the final text, and the message it is on the platform. */
export interface ShownPiece {
  readonly message: string;
  readonly text: string;
}

export interface FinishedAnswer {
  readonly shown: readonly ShownPiece[];
  /** A piece that may or may not be there (block mode): to be sent again, with this key, only where duplicates are detected. */
  readonly unknown?: { readonly key: string; readonly text: string };
  readonly rest: readonly string[];
}
