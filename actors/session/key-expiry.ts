import type { Logger } from 'pino';
import type { Store } from '../../src/storage/store.ts';
import { dayOf } from './inbox.ts';

/** Keys removed in one commit, and the pause between two, in milliseconds: writers wait no longer than for a few messages. */
const BATCH_MAX = 1_000;
const STEP_MS = 20;
/** Pause between two rounds, in milliseconds. */
const ROUND_MS = 3_600_000;

/** The days of which there are idempotency keys, oldest first. */
export function daysOfKeys(keys: Store['keys']): number[] {
  const days: number[] = [];
  for (;;) {
    const next = [...keys.getKeys({ start: [(days.at(-1) ?? -1) + 1, '', ''], limit: 1 })][0];
    if (next === undefined) return days;
    days.push(next[0]);
  }
}

/**
 * Removes the idempotency keys of the days before yesterday: a key counts for at least 24 hours and is on the disk for at
 * most 49. One thread does it for all sessions.
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
    const { keys, journal } = this.#store;
    try {
      for (;;) {
        const end = [dayOf(Date.now()) - 1, '', ''] as [number, string, string];
        const old = [...keys.getKeys({ start: [0, '', ''], end, limit: BATCH_MAX })];
        if (old.length === 0 || this.#stopped) break;
        await journal.commit((batch) => {
          for (const key of old) batch.remove(keys, key);
        });
        await new Promise((resolve) => setTimeout(resolve, STEP_MS));
      }
    } catch (error) {
      this.#log.error({ error }, 'old idempotency keys were not removed'); // the next round tries again
    }
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#round(), ROUND_MS);
  }
}
