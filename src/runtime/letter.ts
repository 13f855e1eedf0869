import type { AskOutcome, Priority, TellOptions } from './actor.ts';
import { type Clock, TIMER_MS_MAX, type TimerHandle } from './clock.ts';

/**
 * Where a letter is in its life. It reserves its slot as `arriving`; the slot is released by a refusal, by a
 * cancellation, or by the start of its task.
 * ```
 * arriving ── accepted ──> waiting ── started ──> (a task) ── failed, tried again ──> waiting
 * ```
 */
type LetterState = 'arriving' | 'waiting';

/** Places in the mailbox, first to last: what was carried over from earlier (retries, `pending`), then the priorities. */
export const CARRIED = 0;
const RANKS: Record<Priority, number> = { high: 1, normal: 2, low: 3 };
export const RANK_COUNT = 4;

/** A message on its way through a mailbox. */
export class Letter {
  readonly message: unknown;
  readonly deadlineMs: number | undefined;
  /** Set on an ask: who waits for the outcome. */
  readonly reply: Reply | null;
  rank: number;
  state: LetterState = 'arriving';
  failures = 0;

  constructor(message: unknown, options: TellOptions | undefined, reply: Reply | null) {
    this.message = message;
    this.deadlineMs = options?.deadlineMs;
    this.reply = reply;
    this.rank = RANKS[options?.priority ?? 'normal'];
  }
}

/** The asker's end of one ask: settled once, by the outcome or by time, whichever is first. The other is dropped. */
export class Reply {
  private readonly clock: Clock;
  private readonly timer: TimerHandle;
  private resolve: ((outcome: AskOutcome<unknown>) => void) | null;

  constructor(clock: Clock, timeoutMs: number, resolve: (outcome: AskOutcome<unknown>) => void) {
    this.clock = clock;
    this.resolve = resolve;
    this.timer = clock.setTimeout(() => this.settle({ status: 'unknown' }), Math.min(timeoutMs, TIMER_MS_MAX));
  }

  settle(outcome: AskOutcome<unknown>): void {
    if (this.resolve === null) return;
    this.clock.clearTimeout(this.timer);
    this.resolve(outcome);
    this.resolve = null;
  }
}
