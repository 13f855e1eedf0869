/**
 * Updates a platform delivers twice. The one that becomes a turn is known by the journal, for as long as its session is
 * there: the platform's update id is its idempotency key. (Of messages that `debounce.ts` joined each has a key.) What is
 * here is the rest, in memory: the same update again while the first is still on its way, where it would be joined to
 * itself, and updates that never become a turn: withheld messages, codes, button presses. A restart forgets those, and the
 * worst that comes of it is a line of context that is there twice.
 *
 *     await dedupe.once(message.update, () => handle(message))
 */

import type { Clock } from '../runtime/clock.ts';

/** How long an update is remembered, in milliseconds: platforms try again for up to a day. */
export const REMEMBERED_MS = 24 * 3_600_000;
/** Updates remembered for an account, about 5 MB; past it the oldest is forgotten. */
export const REMEMBERED_MAX = 20_000;

export class Dedupe {
  readonly #clock: Pick<Clock, 'elapsed'>;
  /** By update, the oldest first. */
  readonly #seen = new Map<string, { at: number; done: Promise<void> }>();

  constructor(clock: Pick<Clock, 'elapsed'>) {
    this.#clock = clock;
  }

  /**
   * Calls `handle` for an update that was not seen, and resolves or rejects as it does. A repeated one gets the outcome of
   * the first; after one that failed `handle` is called again.
   */
  once(update: string, handle: () => Promise<void>): Promise<void> {
    const now = this.#clock.elapsed();
    const first = this.#seen.get(update);
    if (first !== undefined && now - first.at < REMEMBERED_MS) return first.done;
    this.#makeRoom(now);
    const done = handle();
    const entry = { at: now, done };
    this.#seen.set(update, entry);
    done.catch(() => {
      if (this.#seen.get(update) === entry) this.#seen.delete(update);
    });
    return done;
  }

  #makeRoom(now: number): void {
    for (const [update, { at }] of this.#seen) {
      if (this.#seen.size < REMEMBERED_MAX && now - at < REMEMBERED_MS) break;
      this.#seen.delete(update);
    }
  }
}
