import { createHash } from 'node:crypto';
import type { Database } from 'lmdb';
import type { FactRecord } from './facts.ts';
import type { Batch } from './journal.ts';

/** `digest`: of what the fact says and how far it may be recalled. */
export type FactOwnerKey = [agent: string, owner: string, digest: string];

/** Behind every digest. */
const LAST = '\x7f';

/**
 * Which facts somebody has, by what they say: so that the same is not kept twice, and it is known how many there are, without
 * reading all of an agent's. Written in the commit that writes the fact.
 */
export class FactOwnerTable {
  /** The values are the facts' ids. */
  readonly #table: Database<string, FactOwnerKey>;

  constructor(table: Database<string, FactOwnerKey>) {
    this.#table = table;
  }

  /** The id of the fact that says the same; it may be gone where a value was damaged. */
  find(agent: string, fact: FactRecord): string | undefined {
    return this.#table.get(keyOf(agent, fact));
  }

  count(agent: string, owner: string): number {
    return this.#table.getKeysCount({ start: [agent, owner, ''], end: [agent, owner, LAST] });
  }

  /** The ids of all that an owner has. */
  ids(agent: string, owner: string): string[] {
    const range = this.#table.getRange({ start: [agent, owner, ''], end: [agent, owner, LAST] });
    return Array.from(range, ({ value }) => value).filter((id) => id !== undefined); // undefined: damaged
  }

  put(batch: Batch, agent: string, fact: FactRecord, id: string): void {
    batch.put(this.#table, keyOf(agent, fact), id);
  }

  remove(batch: Batch, agent: string, fact: FactRecord): void {
    batch.remove(this.#table, keyOf(agent, fact));
  }
}

/** Case and spaces make no other fact; another reach does. */
function keyOf(agent: string, { owner, reach, session, text }: FactRecord): FactOwnerKey {
  const words = text.trim().replace(/\s+/g, ' ').toLowerCase();
  const parts = JSON.stringify([reach, reach === 'session' ? session : '', words]);
  return [agent, owner, createHash('sha256').update(parts).digest('base64url').slice(0, 22)];
}
