import type { Clock, TimerHandle } from '../runtime/clock.ts';

/**
 * Does one thing after the other, never two at once, and not before its time: `step` is called when there is something to
 * do, and returns in how many milliseconds it wants to be called again at the earliest.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #step: () => Promise<number>;
  #timer: TimerHandle | undefined;
  #working: Promise<void> | undefined;
  #notBefore = 0;
  #dueAt = 0;
  #again = false;
  #stopped = false;

  /** `step` must not reject. */
  constructor(clock: Clock, step: () => Promise<number>) {
    this.#clock = clock;
    this.#step = step;
  }

  /** There is something to do, from `at` on at the earliest, of the clock's elapsed time. */
  wake(at = 0): void {
    if (this.#stopped) return;
    if (this.#working !== undefined) {
      this.#again = true;
      return;
    }
    const dueAt = Math.max(at, this.#notBefore);
    if (this.#timer !== undefined && dueAt >= this.#dueAt) return;
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    const waitMs = dueAt - this.#clock.elapsed();
    this.#timer = waitMs > 0 ? this.#clock.setTimeout(() => this.#work(), waitMs) : undefined;
    if (waitMs <= 0) this.#work();
  }

  /** No further step; resolves when the one going on has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    await this.#working;
  }

  #work(): void {
    this.#timer = undefined;
    this.#again = false;
    this.#working = this.#step().then((waitMs) => {
      this.#working = undefined;
      this.#notBefore = this.#clock.elapsed() + waitMs;
      if (this.#again) this.wake();
    });
  }
}

/** Resolves after `ms`, or as soon as `signal` is aborted. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || ms <= 0) return resolve();
    const done = () => {
      clock.clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
