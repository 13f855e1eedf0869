import { type Address, formatAddress, type Task } from './actor.ts';
import { type Clock, TIMER_MS_MAX, type TimerHandle } from './clock.ts';
import { RuntimeError } from './errors.ts';
import type { Letter } from './letter.ts';

/**
 * A started letter. Most handlers look at neither `id` nor `signal`, and an AbortController costs more than all the rest
 * of a message's way: both are made when first read.
 */
export class RunningTask implements Task {
  readonly letter: Letter;
  readonly attempt: number;
  aborted = false;
  deadline: number | undefined = undefined;
  private readonly actor: { readonly address: Address };
  private readonly number: number;
  private reason: unknown = undefined;
  private controller: AbortController | null = null;
  private timer: TimerHandle | null = null;

  constructor(letter: Letter, actor: { readonly address: Address }, number: number) {
    this.letter = letter;
    this.attempt = letter.failures + 1;
    this.actor = actor;
    this.number = number;
  }

  get id(): string {
    return `${formatAddress(this.actor.address)}#${this.number}`;
  }

  get signal(): AbortSignal {
    if (this.controller === null) {
      this.controller = new AbortController();
      if (this.aborted) this.controller.abort(this.reason);
    }
    return this.controller.signal;
  }

  startDeadline(clock: Clock, ms: number): void {
    this.deadline = clock.now() + ms;
    this.timer = clock.setTimeout(
      () => this.abort(new RuntimeError('deadline', `${this.id} passed its deadline of ${ms} ms`)),
      Math.min(ms, TIMER_MS_MAX),
    );
  }

  /** Only the first abort counts. */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.controller?.abort(reason);
  }

  /** After the end of receive(): the deadline is moot. */
  end(clock: Clock): void {
    if (this.timer !== null) clock.clearTimeout(this.timer);
  }
}
