import type { Logger } from 'pino';
import { PassedTime } from '../../src/runtime/passed-time.ts';
import { dayOf, type KeyAges } from '../../src/storage/idempotency.ts';
import type { Write } from '../../src/storage/journal.ts';
import type { Store } from '../../src/storage/store.ts';

/** Keys removed in one commit, and the pause between two, in milliseconds: writers wait no longer than for a few messages. */
const BATCH_MAX = 1_000;
const STEP_MS = 20;
/** Pause between two rounds, in milliseconds: what a gateway has run since the last one does not count after a crash. */
const ROUND_MS = 600_000;
/** How long keys stay after their day was last seen to be today's: a day, and what may come after the last look. */
const KEPT_MS = 24 * 3_600_000 + ROUND_MS;

/**
 * Which days' keys have been there for 24 hours, whatever is done to the machine's clock. Days are only names here: what
 * counts is how long a gateway has run since a day was today's, or was found without anybody having seen that.
 */
export class AgedDays {
  readonly #seen: Map<number, number>;
  /** What gateways had run when elapsed time was 0. */
  readonly #zero: number;

  /** `ages`: as an earlier life left them. */
  constructor(ages: KeyAges | undefined, elapsedMs: number) {
    this.#seen = new Map(ages?.seen);
    this.#zero = (ages?.ranMs ?? 0) - elapsedMs;
  }

  /** Of the `days` of which there are keys, those whose keys may go. To be asked in every round. */
  of(days: readonly number[], today: number, elapsedMs: number): number[] {
    const ranMs = this.#zero + elapsedMs;
    for (const day of days) if (day === today || !this.#seen.has(day)) this.#seen.set(day, ranMs);
    for (const day of this.#seen.keys()) if (!days.includes(day)) this.#seen.delete(day);
    return days.filter((day) => day !== today && ranMs - (this.#seen.get(day) as number) >= KEPT_MS);
  }

  /** To be kept for the next life. */
  ages(elapsedMs: number): KeyAges {
    return { ranMs: this.#zero + elapsedMs, seen: [...this.#seen] };
  }
}

/**
 * Removes old idempotency keys: a key counts for at least 24 hours in which a gateway runs and is on the disk for at most 49.
 * Then it tidies what operators have decided, and what no index has taken. One thread does it for all sessions.
 */
export class KeyExpiry {
  readonly #store: Store;
  readonly #log: Logger;
  readonly #aged: AgedDays;
  readonly #passed = new PassedTime();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** Begins its rounds. */
  constructor(store: Store, log: Logger) {
    this.#store = store;
    this.#log = log;
    this.#aged = new AgedDays(store.keyAges.get('ages'), performance.now());
    void this.#round();
  }

  /** The store is not touched any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Commits what `next` says until that is nothing. */
  async #remove(next: () => Write | undefined): Promise<void> {
    // Not read after it was stopped: the store is closed then, and reading it would end the process.
    while (!this.#stopped) {
      const removal = next();
      if (removal === undefined) return;
      await this.#store.journal.commit(removal);
      await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    }
  }

  async #round(): Promise<void> {
    const { approvals, keyAges, keys, journal, unlearn } = this.#store;
    try {
      const aged = this.#aged.of(keys.days(), dayOf(Date.now()), performance.now());
      const ages = this.#aged.ages(performance.now());
      await journal.commit((batch) => batch.put(keyAges, 'ages', ages));
      for (const day of aged) await this.#remove(() => keys.removalOfDay(day, BATCH_MAX));
      await this.#remove(() => approvals.tidying(this.#passed));
      await this.#remove(() => unlearn.tidying(Date.now()));
    } catch (error) {
      this.#log.error({ error }, 'old keys, approvals and notes for an index were not removed'); // the next round tries again
    }
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#round(), ROUND_MS);
  }
}
