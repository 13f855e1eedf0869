import type { Clock } from '../../src/runtime/clock.ts';

interface Waiting {
  over(): void;
  /** Waits on beyond its time, for an end that is being written. */
  hold(): void;
}

/** Who waits for turns to end, on one shard. */
export class TurnWaiters {
  readonly #clock: Pick<Clock, 'setTimeout' | 'clearTimeout'>;
  readonly #byMessage = new Map<string, Set<Waiting>>();

  constructor(clock: Pick<Clock, 'setTimeout' | 'clearTimeout'>) {
    this.#clock = clock;
  }

  /** Resolves when the turn of the message has ended and that is on the disk, or after `timeoutMs`. */
  wait(message: string, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const all = this.#byMessage.get(message) ?? new Set<Waiting>();
      this.#byMessage.set(message, all);
      const over = (): void => {
        this.#clock.clearTimeout(timer);
        all.delete(waiting);
        if (all.size === 0) this.#byMessage.delete(message);
        resolve();
      };
      const timer = this.#clock.setTimeout(over, timeoutMs);
      const waiting: Waiting = { over, hold: () => this.#clock.clearTimeout(timer) };
      all.add(waiting);
    });
  }

  /** Whether somebody waits. Who does waits for the end, however long that takes to be written. */
  claim(message: string): boolean {
    const all = this.#byMessage.get(message);
    for (const waiting of all ?? []) waiting.hold();
    return all !== undefined;
  }

  ended(message: string): void {
    for (const waiting of [...(this.#byMessage.get(message) ?? [])]) waiting.over();
  }
}
