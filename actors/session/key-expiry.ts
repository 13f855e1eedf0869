import type { Logger } from 'pino';
import { dayOf } from '../../src/storage/idempotency.ts';
import type { Store } from '../../src/storage/store.ts';

/** Keys removed in one commit, and the pause between two, in milliseconds: writers wait no longer than for a few messages. */
const BATCH_MAX = 1_000;
const STEP_MS = 20;
/** Pause between two rounds, in milliseconds. */
const ROUND_MS = 3_600_000;
/** How long keys stay after their day was last seen to be today's: a day, and what may come after the last look. */
const KEPT_MS = 24 * 3_600_000 + ROUND_MS;

/**
 * Which days' keys have been there for 24 hours, whatever is done to the machine's clock: those of days before yesterday,
 * unless this process has seen that day to be today's a day ago; and those of days to come when they were there for a day.
 */
export class AgedDays {
  /** When each day was today's last, or was first seen though it is to come, in elapsed milliseconds. */
  readonly #seen = new Map<number, number>();

  /** Of the `days` of which there are keys, those whose keys may go. To be asked every hour. */
  of(days: readonly number[], today: number, elapsedMs: number): number[] {
    this.#seen.set(today, elapsedMs);
    for (const day of days) if (day > today && !this.#seen.has(day)) this.#seen.set(day, elapsedMs);
    for (const day of this.#seen.keys()) if (day !== today && !days.includes(day)) this.#seen.delete(day);
    return days.filter((day) => {
      if (day === today || day === today - 1) return false;
      return elapsedMs - (this.#seen.get(day) ?? Number.NEGATIVE_INFINITY) >= KEPT_MS;
    });
  }
}

/**
 * Removes old idempotency keys: a key counts for at least 24 hours and is on the disk for at most 49. One thread does it for
 * all sessions.
 */
export class KeyExpiry {
  readonly #store: Store;
  readonly #log: Logger;
  readonly #aged = new AgedDays();
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
      for (const day of this.#aged.of(keys.days(), dayOf(Date.now()), performance.now())) {
        // Not read after it was stopped: the store is closed then, and reading it would end the process.
        while (!this.#stopped) {
          const removal = keys.removalOfDay(day, BATCH_MAX);
          if (removal === undefined) break;
          await journal.commit(removal);
          await new Promise((resolve) => setTimeout(resolve, STEP_MS));
        }
      }
    } catch (error) {
      this.#log.error({ error }, 'old idempotency keys were not removed'); // the next round tries again
    }
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#round(), ROUND_MS);
  }
}
