import type { Logger } from 'pino';
import type { Adapter, Chat } from '../../src/channels/adapter.ts';
import { asChannelError } from '../../src/delivery/retry.ts';

/** Reactions that are being given; a message beyond that gets none. */
const GIVING_MAX = 64;
const TIMEOUT_MS = 10_000;

export interface AcknowledgementParts {
  /** Undefined: none is given. */
  emoji: string | undefined;
  /** Undefined: not connected now. */
  adapter(): { adapter: Adapter; signal: AbortSignal } | undefined;
  log: Logger;
}

/**
 * The reaction that shows people that their message was taken in. It stays when the answer is there: an update less, and
 * it still says what it said. Nothing depends on it: it is tried once, and nobody waits.
 */
export class Acknowledgement {
  readonly #parts: AcknowledgementParts;
  #giving = 0;
  /** Kinds of failure that were told. A reaction that is refused once is refused for every message. */
  readonly #told = new Set<string>();

  constructor(parts: AcknowledgementParts) {
    this.#parts = parts;
  }

  /** Never rejects. */
  async give(chat: Chat, message: string): Promise<void> {
    const { emoji, adapter: reach, log } = this.#parts;
    const { adapter, signal } = reach() ?? {};
    if (emoji === undefined || signal === undefined || adapter?.react === undefined) return;
    if (this.#giving >= GIVING_MAX) return;
    this.#giving += 1;
    try {
      await adapter.react(chat, message, emoji, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
    } catch (thrown) {
      const error = asChannelError(thrown);
      const level = this.#told.has(error.kind) ? 'debug' : 'warn';
      this.#told.add(error.kind);
      log[level](
        { error, chat: chat.id, emoji },
        'a message got no reaction; the next failures like this are not told',
      );
    } finally {
      this.#giving -= 1;
    }
  }
}
