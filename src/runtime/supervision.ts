import type { TimerHandle } from './clock.ts';
import type { Limits } from './limits.ts';

/** What follows a crash: a restart after `waitMs`, or, when there were too many, a stop of that length. */
export interface Verdict {
  readonly stopped: boolean;
  readonly waitMs: number;
}

/**
 * The record of one actor's crashes (the restart intensity of an Erlang supervisor, with a backoff). It exists from the
 * first crash until the actor has been quiet for `restartWindowMs`.
 */
export class Recovery {
  /** Set while the actor waits to be restarted. */
  timer: TimerHandle | null = null;
  /** Of the clock's elapsed time; null: not stopped. */
  stoppedUntil: number | null = null;
  /** The actor never came up: pending() has still to be read. */
  pendingUnread = false;
  private readonly limits: Limits;
  private restartedAt: number[] = [];
  private crashedAt = Number.NEGATIVE_INFINITY;
  private backoffMs = 0;

  constructor(limits: Limits) {
    this.limits = limits;
  }

  /** `now`: of the clock's elapsed time. */
  crashed(now: number): Verdict {
    const { restartsMax, restartWindowMs, backoffMs, backoffMaxMs } = this.limits;
    this.backoffMs = this.isQuiet(now) ? backoffMs : Math.min(this.backoffMs * 2, backoffMaxMs);
    this.crashedAt = now;
    this.restartedAt = this.restartedAt.filter((at) => at > now - restartWindowMs);
    if (this.restartedAt.length >= restartsMax) {
      this.restartedAt = [];
      this.stoppedUntil = now + restartWindowMs;
      return { stopped: true, waitMs: restartWindowMs };
    }
    this.restartedAt.push(now);
    return { stopped: false, waitMs: this.backoffMs };
  }

  /** No crash for so long that the record may be forgotten. */
  isQuiet(now: number): boolean {
    return now - this.crashedAt >= this.limits.restartWindowMs;
  }
}
