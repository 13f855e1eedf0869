import { monitorEventLoopDelay } from 'node:perf_hooks';

/** How often the loop is looked at, in milliseconds: rarely enough to cost an idle gateway nothing worth mentioning. */
const RESOLUTION_MS = 20;

/** How late timers of this thread run: what stands in the way of everything else it does. */
export class LoopLag {
  readonly #histogram: ReturnType<typeof monitorEventLoopDelay>;

  constructor() {
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#histogram.enable();
  }

  /** In milliseconds, since the last call or the start. Node counts the whole interval: it is taken off. */
  read(): { p99: number; max: number } {
    const { max } = this.#histogram;
    const p99 = this.#histogram.percentile(99);
    this.#histogram.reset();
    return { p99: lateness(p99), max: lateness(max) };
  }

  stop(): void {
    this.#histogram.disable();
  }
}

function lateness(nanoseconds: number): number {
  return Math.max(0, Math.round((nanoseconds / 1e6 - RESOLUTION_MS) * 10) / 10);
}
