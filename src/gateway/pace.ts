/** The clock of the rate limits: one number for all connections, so that a request costs no look at the time. */

/** Ticks of a second. */
const TICKS = 10;

export class Pace {
  /** Counts up `TICKS` times a second while the front end runs. */
  tick = 0;
  /** Requests a connection is given with each tick. */
  readonly perTick: number;
  /** Requests a connection may have saved up: those of one second. */
  readonly burst: number;
  readonly tickMs = 1_000 / TICKS;

  constructor(requestsPerSecond: number) {
    this.perTick = Math.ceil(requestsPerSecond / TICKS);
    this.burst = Math.max(requestsPerSecond, this.perTick);
  }
}
