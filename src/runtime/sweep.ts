import type { Cell } from './cell.ts';
import type { Clock, TimerHandle } from './clock.ts';
import type { Limits } from './limits.ts';

/** Pause between two steps of one round, in milliseconds: half a million actors a second at the default step. */
const STEP_MS = 10;

/**
 * Looks for idle actors in rounds: one coarse timer for a whole system instead of one an actor, at most `sweepStepMax`
 * actors a step. It does not keep the process alive.
 */
export class Sweep {
  private readonly clock: Clock;
  private readonly limits: Limits;
  private readonly cells: () => Iterator<Cell>;
  private readonly startedAt: number;
  private round: Iterator<Cell> | null = null;
  private timer: TimerHandle;

  /** `cells` begins a round over every actor in memory. It may be lazy: a Map's iterators bear changes on the way. */
  constructor(clock: Clock, limits: Limits, cells: () => Iterator<Cell>) {
    this.clock = clock;
    this.limits = limits;
    this.cells = cells;
    this.startedAt = clock.elapsed();
    this.timer = this.wait(limits.sweepMs);
  }

  stop(): void {
    this.clock.clearTimeout(this.timer);
  }

  private wait(ms: number): TimerHandle {
    const timer = this.clock.setTimeout(() => this.step(), ms);
    timer.unref?.();
    return timer;
  }

  private step(): void {
    this.round ??= this.cells();
    // Counted from 1: 0 means "not idle" to a cell.
    const now = this.clock.elapsed() - this.startedAt + 1;
    for (let visited = 0; visited < this.limits.sweepStepMax; visited++) {
      const next = this.round.next();
      if (next.done) {
        this.round = null;
        break;
      }
      next.value.visit(now);
    }
    this.timer = this.wait(this.round === null ? this.limits.sweepMs : STEP_MS);
  }
}
