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
  /** May or may not be there (block mode): to be sent again, with this key, only where duplicates are detected. */
  readonly unknown?: { readonly key: string; readonly text: string } | undefined;
  readonly rest: readonly string[];
}

/** An answer that is there within this time is not shown before it is final, nor that somebody is typing: in milliseconds. */
export const AT_ONCE_MS = 300;

/** One way to show an answer: what `live-answer.ts` says of itself, without typing. */
export interface Display {
  delta(text: string): void;
  turn(): void;
  seal(): Promise<readonly string[] | undefined>;
  waitMs(text: string): number;
  finish(text: string): Promise<FinishedAnswer>;
}
