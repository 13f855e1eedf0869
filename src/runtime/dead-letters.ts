import type { Address } from './actor.ts';
import { Ring } from './ring.ts';

/** A message that was given up, and why. */
export interface DeadLetter {
  readonly address: Address;
  readonly message: unknown;
  /** What the last attempt threw. */
  readonly error: unknown;
  readonly attempts: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The messages that failed for good, oldest first; in memory, and bounded: past `max` the oldest makes room. */
export class DeadLetters implements Iterable<DeadLetter> {
  /** Letters that had to make room. */
  evicted = 0;
  private readonly max: number;
  private readonly letters = new Ring<DeadLetter>();

  constructor(max: number) {
    this.max = max;
  }

  /** Letters kept now. */
  get size(): number {
    return this.letters.length;
  }

  add(letter: DeadLetter): void {
    this.letters.push(letter);
    if (this.letters.length <= this.max) return;
    this.letters.shift();
    this.evicted += 1;
  }

  /** Takes out those that match (to be sent again, or forgotten), and returns them. */
  take(matches: (letter: DeadLetter) => boolean): DeadLetter[] {
    const taken = new Set([...this.letters].filter(matches));
    this.letters.removeWhere((letter) => taken.has(letter));
    return [...taken];
  }

  [Symbol.iterator](): Iterator<DeadLetter> {
    return this.letters[Symbol.iterator]();
  }
}
