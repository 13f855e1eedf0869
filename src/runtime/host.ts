import type { Clock } from './clock.ts';
import { type DeadLetter, DeadLetters } from './dead-letters.ts';
import type { SystemEvent } from './events.ts';
import type { Limits } from './limits.ts';
import { Scheduler } from './scheduler.ts';

/** What all actors of a system share. */
export class Host {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly scheduler: Scheduler;
  readonly deadLetters: DeadLetters;
  /** Set for good by a drain: nothing new is accepted, nothing queued is started. */
  draining = false;
  /** Everything is accepted, nothing queued is started. */
  paused = false;
  running = 0;
  queued = 0;
  restarts = 0;
  deadLetterCount = 0;
  private taskCount = 0;
  /** Calls of accept() and passivate() that have not ended, and work that is held. */
  private pendingCalls = 0;
  private readonly onEvent: ((event: SystemEvent) => void) | undefined;
  private onQuiet: (() => void) | null = null;

  constructor(clock: Clock, limits: Limits, onEvent: ((event: SystemEvent) => void) | undefined) {
    this.clock = clock;
    this.limits = limits;
    this.scheduler = new Scheduler(clock, limits.burstMax);
    this.deadLetters = new DeadLetters(limits.deadLettersMax);
    this.onEvent = onEvent;
  }

  /** Whether no task may start. */
  get holdsBack(): boolean {
    return this.draining || this.paused;
  }

  nextTask(): number {
    this.taskCount += 1;
    return this.taskCount;
  }

  emit(event: SystemEvent): void {
    try {
      this.onEvent?.(event);
    } catch (error) {
      // An observer's fault is not the actor's: it must not reach the lane.
      process.emitWarning(error instanceof Error ? error : String(error));
    }
  }

  bury(letter: DeadLetter): void {
    this.deadLetterCount += 1;
    this.deadLetters.add(letter);
    this.emit({ type: 'deadLetter', ...letter });
  }

  taskEnded(): void {
    this.running -= 1;
    if (this.draining) this.checkQuiet();
  }

  callBegan(): void {
    this.pendingCalls += 1;
  }

  callEnded(): void {
    this.pendingCalls -= 1;
    if (this.draining) this.checkQuiet();
  }

  /** Resolves when no message runs, is being accepted, and no actor is being passivated. */
  quiet(): Promise<void> {
    return new Promise((resolve) => {
      this.onQuiet = resolve;
      this.checkQuiet();
    });
  }

  private checkQuiet(): void {
    if (this.running === 0 && this.pendingCalls === 0) this.onQuiet?.();
  }
}
