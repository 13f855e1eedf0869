/**
 * How long ago something really was of which only the wall clock's time is known, as of a record on the disk. The machine's
 * clock may be set meanwhile, by an operator or by NTP after a start without a battery; elapsed time tells by how much. What
 * it was set by before this process began nobody can tell: the clock is believed as it was then.
 */

/** A clock that differs by less from elapsed time was not set, in milliseconds. */
const JUMP_MS = 1_000;
/** Jumps that are remembered; the two oldest become one, of which no time is taken for passed that may not have. */
const JUMPS_MAX = 64;

/** The wall clock said `at` and was set by `ms`. */
interface Jump {
  at: number;
  ms: number;
}

export class PassedTime {
  readonly #now: () => number;
  readonly #elapsed: () => number;
  /** The wall clock's time when elapsed time was 0. */
  #zero: number;
  #jumps: Jump[] = [];

  constructor(now: () => number = () => Date.now(), elapsed: () => number = () => performance.now()) {
    this.#now = now;
    this.#elapsed = elapsed;
    this.#zero = now() - elapsed();
  }

  /** The wall clock's time. To be asked for often: between two looks the clock is taken to have been set once. */
  look(): number {
    const [now, elapsed] = [this.#now(), this.#elapsed()];
    const ms = now - elapsed - this.#zero;
    if (Math.abs(ms) < JUMP_MS) return now;
    this.#jumps.push({ at: this.#zero + elapsed, ms });
    this.#zero += ms;
    const [first, second, ...rest] = this.#jumps;
    if (this.#jumps.length > JUMPS_MAX && first !== undefined && second !== undefined) {
      const skipped = Math.max(0, first.ms) + Math.max(0, second.ms);
      this.#jumps = [{ at: Math.max(first.at, second.at), ms: skipped }, ...rest];
    }
    return now;
  }

  /** Milliseconds that have passed, at least, since the wall clock said `at`; 0 for what is still to come. */
  since(at: number): number {
    let passed = this.look() - at;
    // What came before the clock was set is older or younger by that. A time that it said twice may be the second.
    for (const jump of this.#jumps) if (at <= Math.min(jump.at, jump.at + jump.ms)) passed -= jump.ms;
    return Math.max(0, passed);
  }
}
