import type { Adapter, Chat } from '../../src/channels/adapter.ts';
import type { Preview } from '../../src/delivery/outbox.ts';
import type { Show } from './runs.ts';

/** The part of its time after which a typing indicator is shown again. */
const TYPING_PART = 0.8;

/** A preview of an answer that grows with it. */
export interface Growing extends Preview {
  delta(text: string): void;
  abandon(): void;
}

/** What a chat sees of a run: that somebody is typing, and what is said so far where that is wanted. */
export class ChatShow implements Show {
  /** Undefined: the account shows answers when they are there. */
  readonly growing: Growing | undefined;
  readonly #typing: NodeJS.Timeout | undefined;

  /** `adapter` gives the one there is now. */
  constructor(adapter: () => Adapter | undefined, chat: Chat, growing: Growing | undefined) {
    this.growing = growing;
    const typingMs = adapter()?.capabilities.typingMs ?? 0;
    if (typingMs <= 0) return;
    const type = (): void => void adapter()?.typing?.(chat);
    type();
    this.#typing = setInterval(type, typingMs * TYPING_PART).unref();
  }

  delta(text: string): void {
    this.growing?.delta(text);
  }

  ended(): void {
    clearInterval(this.#typing);
  }

  abandon(): void {
    this.ended();
    this.growing?.abandon();
  }
}
