import type { Logger } from 'pino';
import { isSubAgent } from '../../actors/session/kin.ts';
import type { Clock, TimerHandle } from '../runtime/clock.ts';
import type { MemoryServices } from './services.ts';

/** How often a shard tells what has changed, in milliseconds. */
const NEWS_MS = 1_000;
/** Sessions that are told at a time; the rest waits for the next. */
const TOLD_MAX = 2_000;
/** Sessions that wait to be told. More are left out, and found by the next start. */
const WAITING_MAX = 100_000;

export interface NewsParts {
  services: Pick<MemoryServices, 'changed'>;
  clock: Pick<Clock, 'setTimeout' | 'clearTimeout'>;
  /** Resolves when what was given to the journal so far is on the disk; rejects where it could not be written. */
  written(): Promise<void>;
  log: Logger;
}

/**
 * Tells the memory's thread which sessions have grown or shrunk. What a message pays for it is one entry in a set; it is told
 * a second later at most once, when the disk has it.
 */
export class MemoryNews {
  readonly #parts: NewsParts;
  #sessions = new Set<string>();
  #agents = new Set<string>();
  #timer: TimerHandle | undefined;
  #leftOut = 0;
  #stopped = false;

  constructor(parts: NewsParts) {
    this.#parts = parts;
  }

  /** Entries of the session were given to the journal, or removed. */
  session(key: string): void {
    // What sub-agents say is not remembered: what came of it is in the session that has spawned them.
    if (isSubAgent(key)) return;
    if (this.#sessions.size < WAITING_MAX) this.#sessions.add(key);
    else this.#leftOut += 1;
    this.#wait();
  }

  /** The facts of an agent have changed. */
  facts(agent: string): void {
    this.#agents.add(agent);
    this.#wait();
  }

  /** Nothing more is told; what waits is found by the next start. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#parts.clock.clearTimeout(this.#timer);
  }

  #wait(): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#timer = this.#parts.clock.setTimeout(() => void this.#tell(), NEWS_MS);
  }

  async #tell(): Promise<void> {
    const { log, services, written } = this.#parts;
    const sessions = [...this.#sessions].slice(0, TOLD_MAX);
    const agents = [...this.#agents];
    for (const key of sessions) this.#sessions.delete(key);
    this.#agents.clear();
    if (this.#leftOut > 0) {
      log.warn({ sessions: this.#leftOut }, 'too many sessions changed to tell the memory: the next start finds them');
      this.#leftOut = 0;
    }
    // Of what could not be written there is nothing to tell, and it is noted again when it is tried again.
    await written().catch(() => {});
    this.#timer = undefined;
    if (this.#stopped) return;
    services.changed({ sessions, agents });
    if (this.#sessions.size > 0 || this.#agents.size > 0) this.#wait();
  }
}
