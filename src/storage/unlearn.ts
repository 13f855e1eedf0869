import type { Database } from 'lmdb';
import type { Batch } from './journal.ts';

/**
 * What an index has to forget:
 * - `session`: all it has of a session, and how far it has read it: it is read anew from `entries`, since a session may have
 *   been made again under the key. With `upTo` those entries with a `seq` up to it that are no longer in `entries`: a few
 *   older ones may stay, of turns that have not ended.
 * - `fact`: a fact, by its id.
 * - `everything`: all it has of the agent. Records were given up before anybody took them: build it anew.
 */
export type Unlearning = { session: string; upTo?: number } | { fact: string } | { everything: true };

/** An {@link Unlearning} on the disk, and since when, in milliseconds since the epoch. */
export type UnlearnRecord = Unlearning & { at: number };

/** `what` is a session key, the id of a fact, or empty. */
export type UnlearnKey = [agent: string, kind: 'everything' | 'fact' | 'part' | 'session', what: string];

/** One that is kept, as {@link UnlearnTable.forget} wants it back. */
export interface Kept {
  key: UnlearnKey;
  record: UnlearnRecord;
}

/** Records that wait for an index, of all agents, and for how long, in milliseconds; past either some are given up. */
export const KEPT_MAX = 10_000;
export const KEPT_MS = 30 * 24 * 3_600_000;
/** Records looked at, and given up, in one step: about a millisecond. */
const BATCH_MAX = 500;
/** Behind every agent's keys. */
const LAST = '\x7f';

/**
 * What was deleted and an index may still know. Whoever removes entries or facts adds a record in the same commit; the
 * thread that keeps the index takes them with {@link list}, applies them, makes that safe, and only then calls
 * {@link forget}. Applying one twice must do no harm.
 *
 * There are at most two records a session, whatever is removed of it: that of its last deletion and that of the newest
 * entry that retention took. So neither is read before it is written, and removals of many steps become one record.
 *
 * Where no index is kept nobody takes them. They are then given up by {@link tidying}, and one record of the agent stays,
 * `everything`, so that an index that comes later begins anew instead of going on with what it had.
 */
export class UnlearnTable {
  readonly #table: Database<UnlearnRecord, UnlearnKey>;
  /** Where the next look begins; undefined: at the first. */
  #tidied: UnlearnKey | undefined;

  constructor(table: Database<UnlearnRecord, UnlearnKey>) {
    this.#table = table;
  }

  /** To be called in the commit that removes it. `now`: milliseconds since the epoch. */
  add(batch: Batch, agent: string, what: Unlearning, now: number): void {
    // What was to be forgotten of an earlier session under the key must not take entries of the next one, whose numbers begin anew.
    if ('session' in what && what.upTo === undefined) batch.remove(this.#table, [agent, 'part', what.session]);
    batch.put(this.#table, keyOf(agent, what), { ...what, at: now });
  }

  /**
   * The records of `agent`, or of all: at most `limit`, `everything` first and `session` last. They may be applied in any
   * order, since `session` reads the session anew.
   */
  list(limit: number, agent?: string): Kept[] {
    this.#table.resetReadTxn(); // other threads write them
    const range = agent === undefined ? {} : { start: [agent, '', ''], end: [agent, LAST, ''] };
    const kept = this.#table.getRange({ ...(range as { start?: UnlearnKey; end?: UnlearnKey }), limit });
    return Array.from(kept, ({ key, value }) => ({ key, record: value ?? damaged(key) }));
  }

  /**
   * Removes records that were applied. One that was written again meanwhile stays: there is more to forget. Resolves when
   * that is committed; a record that comes back after a loss of power is only applied again.
   */
  async forget(applied: readonly Kept[]): Promise<void> {
    await this.#table.transaction(() => {
      for (const { key, record } of applied) {
        const now = this.#table.get(key) ?? damaged(key);
        if (now.at === record.at && upToOf(now) === upToOf(record)) void this.#table.remove(key);
      }
    });
  }

  /**
   * What gives up records that are too old or too many, of the next few that it looks at: undefined when there are none
   * among them. Each round looks on from where the last one ended.
   */
  tidying(now: number): ((batch: Batch) => void) | undefined {
    const { entryCount } = this.#table.getStats() as { entryCount: number };
    const tooMany = entryCount - KEPT_MAX;
    const old: UnlearnKey[] = [];
    let last: UnlearnKey | undefined;
    let seen = 0;
    const range = this.#tidied === undefined ? {} : { start: this.#tidied, exclusiveStart: true };
    for (const { key, value } of this.#table.getRange({ ...range, limit: BATCH_MAX })) {
      last = key;
      seen += 1;
      if (key[1] === 'everything') continue; // one an agent
      if ((value?.at ?? 0) + KEPT_MS < now || old.length < tooMany) old.push(key);
    }
    this.#tidied = seen < BATCH_MAX ? undefined : last;
    if (old.length === 0) return undefined;
    return (batch) => {
      for (const key of old) batch.remove(this.#table, key);
      for (const agent of new Set(old.map(([agent]) => agent))) this.add(batch, agent, { everything: true }, now);
    };
  }
}

function keyOf(agent: string, what: Unlearning): UnlearnKey {
  if ('everything' in what) return [agent, 'everything', ''];
  if ('fact' in what) return [agent, 'fact', what.fact];
  return [agent, what.upTo === undefined ? 'session' : 'part', what.session];
}

/** What a record stands for whose value is damaged: its key says enough, and of a part all of the session is read anew. */
function damaged([, kind, what]: UnlearnKey): UnlearnRecord {
  if (kind === 'everything') return { everything: true, at: 0 };
  return kind === 'fact' ? { fact: what, at: 0 } : { session: what, at: 0 };
}

function upToOf(record: UnlearnRecord): number | undefined {
  return 'session' in record ? record.upTo : undefined;
}
