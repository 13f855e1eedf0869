import { CARRIED, type Letter, RANK_COUNT } from './letter.ts';
import { Ring } from './ring.ts';

/**
 * The letters of one actor, a ring per rank, each made when first needed. A letter has its place from the moment it
 * arrives, so that order is that of arrival however long each takes to be accepted: one that is still `arriving` holds
 * back those of its own rank behind it, and no others. The bound is the caller's to check, before `put`.
 */
export class Mailbox {
  /** Letters of all ranks and states. */
  length = 0;
  private readonly rings: (Ring<Letter> | null)[] = new Array(RANK_COUNT).fill(null);

  put(letter: Letter): void {
    this.ring(letter.rank).push(letter);
    this.length += 1;
  }

  /** Back to the front, before everything else: the letter of a failed task. */
  putFirst(letter: Letter): void {
    letter.rank = CARRIED;
    this.ring(CARRIED).unshift(letter);
    this.length += 1;
  }

  /** The next runnable letter, or undefined. */
  take(): Letter | undefined {
    for (const ring of this.rings) {
      if (ring === null || ring.peek()?.state !== 'waiting') continue;
      this.length -= 1;
      return ring.shift();
    }
    return undefined;
  }

  /** Letters of this rank or an earlier one. */
  ahead(rank: number): number {
    let count = 0;
    for (let i = 0; i <= rank; i++) count += this.rings[i]?.length ?? 0;
    return count;
  }

  remove(letter: Letter): void {
    this.length -= this.ring(letter.rank).removeWhere((other) => other === letter);
  }

  /** Takes out the accepted letters that match, and returns them in the order in which they would have run. */
  takeWhere(matches: (letter: Letter) => boolean): Letter[] {
    const taken = new Set([...this].filter((letter) => letter.state === 'waiting' && matches(letter)));
    for (const ring of this.rings) {
      if (ring !== null) this.length -= ring.removeWhere((letter) => taken.has(letter));
    }
    return [...taken];
  }

  *[Symbol.iterator](): Generator<Letter, void> {
    for (const ring of this.rings) {
      if (ring !== null) yield* ring;
    }
  }

  private ring(rank: number): Ring<Letter> {
    this.rings[rank] ??= new Ring();
    return this.rings[rank];
  }
}
