import type { Clock, TimerHandle } from '../../src/runtime/clock.ts';

interface ManualTimer extends TimerHandle {
  at: number;
  order: number;
  callback: () => void;
}

/** A clock that stands still until a test moves it. Nothing sleeps: timers fire in order of time, then of creation. */
export class ManualClock implements Clock {
  private time = 1_700_000_000_000;
  private shift = 0;
  private created = 0;
  private readonly timers = new Set<ManualTimer>();
  private immediates = 0;

  /** Timers that wait. */
  get waiting(): number {
    return this.timers.size;
  }

  now(): number {
    return this.time + this.shift;
  }

  elapsed(): number {
    return this.time;
  }

  /** Sets the machine's clock forward, or back. */
  shiftWall(ms: number): void {
    this.shift += ms;
  }

  setTimeout(callback: () => void, ms: number): TimerHandle {
    const timer: ManualTimer = { at: this.time + ms, order: this.created++, callback };
    this.timers.add(timer);
    return timer;
  }

  clearTimeout(handle: TimerHandle): void {
    this.timers.delete(handle as ManualTimer);
  }

  setImmediate(callback: () => void): void {
    this.immediates += 1;
    setImmediate(() => {
      this.immediates -= 1;
      callback();
    });
  }

  /** Runs everything that needs no time to pass: microtasks and immediates, until there are none. */
  async settle(): Promise<void> {
    do await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.immediates > 0);
  }

  /** Lets `ms` milliseconds pass: each timer on the way fires at its time, and what it starts settles before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await this.settle();
    for (let timer = this.next(end); timer !== undefined; timer = this.next(end)) {
      this.timers.delete(timer);
      this.time = Math.max(this.time, timer.at);
      timer.callback();
      await this.settle();
    }
    this.time = end;
  }

  private next(end: number): ManualTimer | undefined {
    const due = [...this.timers].filter((timer) => timer.at <= end);
    return due.sort((a, b) => a.at - b.at || a.order - b.order)[0];
  }
}
