import type { Logger } from 'pino';
import type { Store } from '../../src/storage/store.ts';

/** Keys removed in one commit, and the pause between two, in milliseconds: writers wait no longer than for a few messages. */
const BATCH_MAX = 1_000;
const STEP_MS = 20;
/** Pause between two rounds, in milliseconds. */
const ROUND_MS = 3_600_000;

/**
 * Removes the idempotency keys of the days before yesterday: a key counts for at least 24 hours and is on the disk for at
 * most 49. Then it tidies what operators have decided. One thread does it for all sessions.
 */
export class KeyExpiry {
  readonly #store: Store;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** Begins its rounds. */
  constructor(store: Store, log: Logger) {
    this.#store = store;
    this.#log = log;
    void this.#round();
  }

  /** The store is not touched any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #round(): Promise<void> {
    const { approvals, keys, journal } = this.#store;
    try {
      // Not read after it was stopped: the store is closed then, and reading it would end the process.
      while (!this.#stopped) {
        const removal = keys.removalOfExpired(Date.now(), BATCH_MAX) ?? approvals.tidying(Date.now());
        if (removal === undefined) break;
        await journal.commit(removal);
        await new Promise((resolve) => setTimeout(resolve, STEP_MS));
      }
    } catch (error) {
      this.#log.error({ error }, 'old keys and approvals were not removed'); // the next round tries again
    }
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#round(), ROUND_MS);
  }
}
