import type { Logger } from 'pino';
import type { Config } from '../../src/config/schema.ts';
import { RuntimeError } from '../../src/runtime/errors.ts';
import { PassedTime } from '../../src/runtime/passed-time.ts';
import type { Store } from '../../src/storage/store.ts';

/** Records looked at in one step: about a millisecond. */
const STEP_MAX = 200;
/** Pause between two steps of a round, in milliseconds. */
const STEP_MS = 20;
/** Longest pause between two rounds, in milliseconds: how late, at most, a session is deleted. */
const ROUND_MS = 600_000;

/** A session that was active so far in the future was so when the machine's clock was wrong, in milliseconds. */
export const AHEAD_MS = 60_000;

export interface CleanUpParts {
  store: Store;
  rule: Config['sessions']['cleanUp'];
  log: Logger;
  /** Whether it is this shard that sees to the session. */
  isOurs(key: string): boolean;
  /** Deletes the session unless it was active after `lastActive`, or in a future as it is put right. */
  expire(key: string, lastActive: number): Promise<unknown>;
}

interface Idle {
  key: string;
  lastActive: number;
}

/** Deletes sessions nobody has used for long, where the configuration says so: in rounds over all, a few at a time. */
export class CleanUp {
  readonly #parts: CleanUpParts;
  #timer: NodeJS.Timeout | undefined;
  /** The last key of the step before; empty: a round begins. */
  #cursor = '';
  #stopped = false;
  readonly #passed = new PassedTime();

  /** Begins its rounds. */
  constructor(parts: CleanUpParts) {
    this.#parts = parts;
    if (parts.rule.action === 'delete') this.#wait();
  }

  /** The store is not touched any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #wait(): void {
    if (this.#stopped) return;
    const pause = this.#cursor === '' ? Math.min(this.#parts.rule.afterMs, ROUND_MS) : STEP_MS;
    this.#timer = setTimeout(() => void this.#step(), pause);
  }

  async #step(): Promise<void> {
    const { expire, log } = this.#parts;
    for (const { key, lastActive } of this.#expired()) {
      if (this.#stopped) return;
      try {
        await expire(key, lastActive);
      } catch (error) {
        // No room in memory, or the gateway stops: another round will come by.
        if (!(error instanceof RuntimeError)) log.error({ error, session: key }, 'a session was not cleaned up');
      }
    }
    this.#wait();
  }

  /** Of the next few sessions, as the disk has them, those that were idle for long, or are active in the future. */
  #expired(): Idle[] {
    const { isOurs, rule, store } = this.#parts;
    const found: Idle[] = [];
    const now = this.#passed.look();
    let last = '';
    let seen = 0;
    for (const { key, value } of store.sessions.getRange({ start: `${this.#cursor}\x01`, limit: STEP_MAX })) {
      last = key;
      seen += 1;
      if (value === undefined) continue; // damaged
      const { lastActive, type } = value;
      if (type === 'main' || !rule.types.includes(type) || !isOurs(key)) continue;
      if (lastActive > now + AHEAD_MS || this.#passed.since(lastActive) > rule.afterMs) found.push({ key, lastActive });
    }
    this.#cursor = seen < STEP_MAX ? '' : last;
    return found;
  }
}
