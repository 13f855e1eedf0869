import { setImmediate as nextTask } from 'node:timers/promises';

/** Of a core, what work in the background takes while nobody waits for it: conversations come first. */
const SHARE = 0.1;

/**
 * Holds background work of one thread to a share of a core. Work is done in slices of a few milliseconds, and after each the
 * worker rests, so that requests get in between; while somebody waits for the work, only for so long.
 */
export class Pace {
  /** Until when slices follow each other, and until when they rest, on the clock of `performance.now`. */
  #hurriedUntil = 0;
  #restsUntil = 0;
  readonly #resting = new Set<() => void>();

  /** Full speed for so long, in milliseconds: somebody waits. */
  hurry(forMs: number): void {
    this.#hurriedUntil = Math.max(this.#hurriedUntil, performance.now() + forMs);
    for (const wake of this.#resting) wake();
  }

  /** To be called after a slice of work that began at `startedAt` (`performance.now`). Resolves when the next may begin. */
  async rest(startedAt: number): Promise<void> {
    const now = performance.now();
    this.#restsUntil = Math.max(this.#restsUntil, now) + (now - startedAt) * (1 / SHARE - 1);
    await nextTask();
    const waitMs = this.#restsUntil - performance.now();
    if (performance.now() < this.#hurriedUntil) this.#restsUntil = 0;
    else if (waitMs > 0) await this.#sleep(waitMs);
  }

  #sleep(forMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#resting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, forMs);
      this.#resting.add(wake);
    });
  }
}
