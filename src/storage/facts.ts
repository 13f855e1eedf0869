import type { Database } from 'lmdb';
import type { Batch } from './journal.ts';

/** What an agent was told to remember, and where that came from. */
export interface FactRecord {
  text: string;
  /** How far it may be recalled, see `memory/entry.ts`. */
  reach: 'session' | 'owner' | 'agent';
  trusted: boolean;
  session: string;
  owner: string;
  channel: string;
  /** Who asked for it, as `telegram:123`, or the agent, as `agent:main`. */
  sender: string;
  /** The message whose run saved it; '' where an operator did. */
  message: string;
  /** Milliseconds since the epoch. */
  timestamp: number;
}

/** Ids are ulids: they sort by time. */
export type FactKey = [agent: string, id: string];

/** Behind every ulid. */
const LAST = '\x7f';

/** The table of facts: what is true, of which the memory's index is made. Shards write it, the memory thread reads. */
export class FactTable {
  readonly #table: Database<FactRecord, FactKey>;

  constructor(table: Database<FactRecord, FactKey>) {
    this.#table = table;
  }

  get(agent: string, id: string): FactRecord | undefined {
    return this.#table.get([agent, id]);
  }

  /** Whether an agent has any: one look at the disk's pages in memory. */
  any(agent: string): boolean {
    return this.#table.getKeysCount({ start: [agent, ''], end: [agent, LAST], limit: 1 }) > 0;
  }

  /** How many an agent has. */
  count(agent: string): number {
    return this.#table.getKeysCount({ start: [agent, ''], end: [agent, LAST] });
  }

  /** Up to `limit` of an agent's with ids above `after`, in order. Damaged ones are left out. */
  list(agent: string, after = '', limit = Infinity): { id: string; fact: FactRecord }[] {
    const found: { id: string; fact: FactRecord }[] = [];
    for (const { key, value } of this.#table.getRange({ start: [agent, `${after}\x01`], end: [agent, LAST] })) {
      if (value !== undefined) found.push({ id: key[1], fact: value });
      if (found.length >= limit) break;
    }
    return found;
  }

  put(batch: Batch, agent: string, id: string, fact: FactRecord): void {
    batch.put(this.#table, [agent, id], fact);
  }

  remove(batch: Batch, agent: string, id: string): void {
    batch.remove(this.#table, [agent, id]);
  }
}
