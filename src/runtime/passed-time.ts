/**
 * How long ago something really was of which only the wall clock's time is known, as of a record on the disk. The machine's
 * clock may be set meanwhile, by an operator or by NTP after a start without a battery; elapsed time tells by how much. What
 * it was set by before this process began nobody can tell: the clock is believed as it was then.
 */

/** A clock that differs by less from elapsed time was not set, in milliseconds. */
const SET_MS = 1_000;
/** Stretches that are remembered; the two oldest become one, in which no time is taken for passed that may not have. */
const STRETCHES_MAX = 64;

/** Time in which the clock was not set: from when to when, in elapsed time, and what the clock said when that was 0. */
interface Stretch {
  from: number;
  to: number;
  zero: number;
}

export class PassedTime {
  readonly #now: () => number;
  readonly #elapsed: () => number;
  /** The newest first. */
  readonly #stretches: [Stretch, ...Stretch[]];

  constructor(now: () => number = () => Date.now(), elapsed: () => number = () => performance.now()) {
    this.#now = now;
    this.#elapsed = elapsed;
    this.#stretches = [{ from: Number.NEGATIVE_INFINITY, to: elapsed(), zero: now() - elapsed() }];
  }

  /** The wall clock's time. To be asked for often: between two looks the clock is taken to have been set once. */
  look(): number {
    const [now, elapsed] = [this.#now(), this.#elapsed()];
    const [stretch] = this.#stretches;
    stretch.to = elapsed;
    if (Math.abs(now - elapsed - stretch.zero) < SET_MS) return now;
    this.#stretches.unshift({ from: elapsed, to: elapsed, zero: now - elapsed });
    if (this.#stretches.length > STRETCHES_MAX) {
      const [oldest, second] = [this.#stretches.pop() as Stretch, this.#stretches.at(-1) as Stretch];
      second.from = oldest.from;
      second.zero = Math.min(oldest.zero, second.zero);
    }
    return now;
  }

  /**
   * Milliseconds that have passed, at least, since the wall clock said `at`: where it did so twice, since it did last. 0 for
   * what is still to come.
   */
  since(at: number): number {
    if (at > this.look()) return 0;
    const [{ from: setAt, to: elapsed }] = this.#stretches;
    for (const { from, to, zero } of this.#stretches) {
      const then = at - zero;
      if (then >= from && then <= to) return elapsed - then;
    }
    return elapsed - setAt; // it never said that
  }
}
