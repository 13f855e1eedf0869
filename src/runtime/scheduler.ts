import type { Clock } from './clock.ts';
import { Ring } from './ring.ts';

/** Something that has one message's worth of work to do. Must not throw. */
export interface Runnable {
  step(): void;
}

/**
 * Gives the lanes their turns, message by message, in a microtask: never inside the sender's own call. After `burstMax`
 * turns the event loop gets one, so that actors which keep each other busy without ever waiting can't starve the
 * sockets; nothing else resets the count, so this holds over any mix of lanes, promises and handlers.
 */
export class Scheduler {
  private readonly clock: Clock;
  private readonly burstMax: number;
  private readonly ready = new Ring<Runnable>();
  private burst = 0;
  private armed = false;

  constructor(clock: Clock, burstMax: number) {
    this.clock = clock;
    this.burstMax = burstMax;
  }

  enqueue(runnable: Runnable): void {
    this.ready.push(runnable);
    if (!this.armed) this.arm();
  }

  private arm(): void {
    this.armed = true;
    if (this.burst < this.burstMax) queueMicrotask(this.run);
    else this.clock.setImmediate(this.runAnew);
  }

  private readonly runAnew = (): void => {
    this.burst = 0;
    this.run();
  };

  private readonly run = (): void => {
    try {
      while (this.ready.length > 0 && this.burst < this.burstMax) {
        this.burst += 1;
        this.ready.shift()!.step();
      }
    } finally {
      if (this.ready.length > 0) this.arm();
      else this.armed = false;
    }
  };
}
