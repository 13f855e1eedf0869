import type { Logger } from 'pino';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { ActorContext } from '../../src/runtime/actor.ts';
import type { Journal, Write } from '../../src/storage/journal.ts';

/** Pause before a write that failed is tried again, in milliseconds; doubles up to the second. */
const RETRY_MS = 250;
const RETRY_MAX_MS = 5_000;

/**
 * Writes what has happened and cannot be taken back: what a model has said, how a turn has ended. While the disk is full
 * that waits, with its lane, and is written when there is room: to ask the model again would be no cure.
 */
export class Persistence {
  readonly #journal: Journal;
  readonly #context: ActorContext<unknown>;
  readonly #log: Logger;

  constructor(journal: Journal, context: ActorContext<unknown>, log: Logger) {
    this.#journal = journal;
    this.#context = context;
    this.#log = log;
  }

  /** Resolves when it is on the disk. Rejects with the signal's reason when that is aborted while the disk takes nothing. */
  async write(write: Write, signal?: AbortSignal): Promise<void> {
    for (let pauseMs = RETRY_MS; ; pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS)) {
      try {
        await this.#journal.commit(write);
        return;
      } catch (error) {
        if (!(error instanceof DhaavakError) || error.code !== 'storage_failed') throw error;
        signal?.throwIfAborted();
        this.#log.error(
          { error, session: this.#context.address.key },
          'what happened could not be written: tried again',
        );
        await this.#pause(pauseMs, signal);
        signal?.throwIfAborted();
      }
    }
  }

  /** Not a timer of the instance's: what has happened is written also when that has crashed meanwhile. */
  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#context;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    clock.clearTimeout(timer);
  }
}
