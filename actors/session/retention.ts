import type { Logger } from 'pino';
import type { Config } from '../../src/config/schema.ts';
import type { Replies, SessionType } from '../../src/protocol/messages.ts';
import { RuntimeError } from '../../src/runtime/errors.ts';
import { PassedTime } from '../../src/runtime/passed-time.ts';
import type { Store } from '../../src/storage/store.ts';
import type { SessionControl } from './control.ts';
import { type OldTurn, type RetentionRule, turnsToGo } from './old-turns.ts';
import { parseSessionKey } from './session-key.ts';

/** When the first round begins after the start, and the pause between two, in milliseconds. */
const START_MS = 2_000;
const ROUND_MS = 600_000;
/** Sessions looked at in one step, and the pause between two steps, in milliseconds. */
const STEP_MAX = 200;
const STEP_MS = 20;
/** How far a clock may be off by which a session was active, in milliseconds. */
const SLACK_MS = 60_000;

export interface RetentionParts {
  store: Store;
  rule: Config['sessions']['retention'];
  log: Logger;
  /** Whether it is this shard that sees to the session. */
  isOurs(key: string): boolean;
  /** Has the session remove turns. */
  prune(key: string, message: SessionControl & { type: 'prune' }): Promise<unknown>;
}

/** What goes, or has gone, of a session. */
type Pruned = Omit<Replies['session.prune'], 'session' | 'dryRun'>;

/**
 * Keeps transcripts within what the configuration says: in rounds over the sessions of its shard, and when it is asked. What
 * goes is told by one look (`old-turns.ts`), whether it then goes or not; it is removed by the session's own actor.
 */
export class Retention {
  readonly #parts: RetentionParts;
  readonly #passed = new PassedTime();
  #timer: NodeJS.Timeout | undefined;
  /** The last key of the step before; empty: a round begins. */
  #cursor = '';
  /** When this round and the one before began, by the wall clock: 0 for none. */
  #began = 0;
  #beganBefore = 0;
  #stopped = false;

  /** Begins its rounds, where there is a rule. */
  constructor(parts: RetentionParts) {
    this.#parts = parts;
    if (this.isRuled) this.#wait(START_MS);
  }

  /** Whether the configuration has any limit. */
  get isRuled(): boolean {
    return hasLimit(this.#parts.rule);
  }

  /** The store is not touched any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** What of a session would go now, by its own rule or by the configuration's. Removes nothing. */
  async preview(key: string, rule = this.#ruleOf(key)): Promise<Pruned> {
    const count = new Count();
    for await (const turn of this.#turns(key, rule)) count.add(turn);
    return count.sum;
  }

  /** Removes what is to go of a session, and says what that was. Throws as the session's actor does. */
  async apply(key: string, rule = this.#ruleOf(key)): Promise<Pruned> {
    const count = new Count();
    const turns = this.#turns(key, rule);
    await this.#parts.prune(key, {
      type: 'prune',
      turns,
      alive: this.#alive,
      removed: (turn) => count.add(turn),
    });
    return count.sum;
  }

  #turns(key: string, rule: RetentionRule): AsyncGenerator<OldTurn, void> {
    return turnsToGo(this.#parts.store, key, rule, { since: (at) => this.#passed.since(at), alive: this.#alive });
  }

  #alive = (): boolean => !this.#stopped;

  /** None for a session of a type that is not named. */
  #ruleOf(key: string): RetentionRule {
    const { types, ...rule } = this.#parts.rule;
    return types.includes(parseSessionKey(key)?.type as SessionType) ? rule : {};
  }

  #wait(ms: number): void {
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#step(), ms);
  }

  async #step(): Promise<void> {
    const { log } = this.#parts;
    if (this.#cursor === '') {
      this.#beganBefore = this.#began;
      this.#began = this.#passed.look();
    }
    for (const { key, rule } of this.#due()) {
      if (this.#stopped) return;
      try {
        await this.#keep(key, rule);
      } catch (error) {
        // No room in memory, or the gateway stops: another round will come by.
        if (!(error instanceof RuntimeError)) log.error({ error, session: key }, 'old turns were not removed');
      }
    }
    this.#wait(this.#cursor === '' ? ROUND_MS : STEP_MS);
  }

  /** Brings a session into memory only when something of it is to go. */
  async #keep(key: string, rule: RetentionRule): Promise<void> {
    for await (const _ of this.#turns(key, rule)) {
      const { turns, entries, bytes } = await this.apply(key, rule);
      if (turns > 0) this.#parts.log.info({ session: key, turns, entries, bytes }, 'old turns were removed');
      return;
    }
  }

  /** Of the next few sessions those that the rule is for. The size of one that nobody has used has not changed. */
  #due(): { key: string; rule: RetentionRule }[] {
    const { isOurs, store } = this.#parts;
    const found: { key: string; rule: RetentionRule }[] = [];
    let last = '';
    let seen = 0;
    for (const { key, value } of store.sessions.getRange({ start: `${this.#cursor}\x01`, limit: STEP_MAX })) {
      last = key;
      seen += 1;
      if (!isOurs(key)) continue;
      const { bytesMax, ...rule } = this.#ruleOf(key);
      const isUsed = value === undefined || value.lastActive > this.#beganBefore - SLACK_MS;
      const checked = isUsed && bytesMax !== undefined ? { ...rule, bytesMax } : rule;
      if (hasLimit(checked)) found.push({ key, rule: checked });
    }
    this.#cursor = seen < STEP_MAX ? '' : last;
    return found;
  }
}

/** Whether anything goes by a rule. */
function hasLimit({ days, entriesMax, bytesMax }: RetentionRule): boolean {
  return (days ?? entriesMax ?? bytesMax) !== undefined;
}

/** Adds turns up. */
class Count {
  readonly sum: Pruned = { turns: 0, entries: 0, images: 0, bytes: 0, oldest: null, newest: null };

  add({ seqs, images, bytes, oldest, newest }: OldTurn): void {
    const { sum } = this;
    sum.turns += 1;
    sum.entries += seqs.length;
    sum.images += images;
    sum.bytes += bytes;
    if (oldest > 0) sum.oldest = Math.min(sum.oldest ?? oldest, oldest);
    if (newest > 0) sum.newest = Math.max(sum.newest ?? newest, newest);
  }
}
