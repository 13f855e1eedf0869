import type { Timer, Timers } from './actor.ts';
import { type Clock, TIMER_MS_MAX, type TimerHandle } from './clock.ts';
import { RuntimeError } from './errors.ts';
import { isThenable } from './thenable.ts';

/** The timers of one actor instance: a bounded set, ended with the instance. */
export class LifeTimers implements Timers {
  private readonly clock: Clock;
  private readonly max: number;
  private readonly onError: (error: unknown) => void;
  private readonly waiting = new Set<TimerHandle>();
  private ended = false;

  constructor(clock: Clock, max: number, onError: (error: unknown) => void) {
    this.clock = clock;
    this.max = max;
    this.onError = onError;
  }

  after(ms: number, callback: () => void | Promise<void>): Timer {
    if (!(ms >= 0 && ms <= TIMER_MS_MAX)) {
      throw new RangeError(
        `A timer takes 0 to ${TIMER_MS_MAX} ms (24.8 days), not ${ms}; keep longer ones in a journal.`,
      );
    }
    if (this.ended) throw new RuntimeError('closed', 'this actor instance is no longer alive; its timers died with it');
    if (this.waiting.size >= this.max)
      throw new RuntimeError('busy', `this actor has ${this.max} timers waiting, its limit`);
    const handle = this.clock.setTimeout(() => {
      this.waiting.delete(handle);
      this.fire(callback);
    }, ms);
    this.waiting.add(handle);
    return { cancel: () => this.clear(handle) };
  }

  /** Clears all, and refuses further ones. */
  end(): void {
    this.ended = true;
    for (const handle of this.waiting) this.clear(handle);
  }

  private fire(callback: () => void | Promise<void>): void {
    try {
      const result = callback();
      if (isThenable(result)) Promise.resolve(result).catch(this.onError);
    } catch (error) {
      this.onError(error);
    }
  }

  private clear(handle: TimerHandle): void {
    if (this.waiting.delete(handle)) this.clock.clearTimeout(handle);
  }
}
