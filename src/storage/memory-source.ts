import type { HistoryEntry, Session } from '../protocol/messages.ts';
import type { FactTable } from './facts.ts';
import { sessionOfKey } from './session-record.ts';
import type { EntryKey, Store } from './store.ts';
import type { UnlearnTable } from './unlearn.ts';

/** Entries of one turn that are looked back on, at most. */
const TURN_ENTRIES_MAX = 1_000;
/** Sessions of sub-agents: what they say is for who spawned them, and told there. */
const SUB_TYPE = 'sub';

/** Part of a transcript. */
export interface Stretch {
  entries: HistoryEntry[];
  /** `seq` of the last that was read, also of one that is damaged. */
  upTo: number;
}

/** What the memory's indexes are made of, read only: transcripts, facts, and notes of what was deleted. */
export class MemorySource {
  readonly #store: Store;
  readonly facts: FactTable;
  readonly unlearn: UnlearnTable;

  constructor(store: Store) {
    this.#store = store;
    this.facts = store.facts;
    this.unlearn = store.unlearn;
  }

  /** Has reads see what others have committed until now. */
  refresh(): void {
    this.#store.sessions.resetReadTxn();
  }

  /** Up to `limit` keys of an agent's sessions behind `after`, in order; none of sub-agents. */
  sessionsOf(agent: string, after: string, limit: number): { keys: string[]; last: string | undefined } {
    const keys: string[] = [];
    let last: string | undefined;
    const start = after === '' ? `agent:${agent}:` : after;
    for (const key of this.#store.sessions.getKeys({ start, end: `agent:${agent};`, limit: limit + 1 })) {
      if (key === after) continue;
      last = key;
      if (key.split(':')[2] !== SUB_TYPE) keys.push(key);
      if (keys.length >= limit) break;
    }
    return { keys, last };
  }

  /** What is known of a session; of one that is lost or damaged, what its key says. */
  session(key: string): Session {
    return this.#store.sessions.get(key) ?? sessionOfKey(key, 0);
  }

  /** The highest `seq` of a transcript; 0: there is none. */
  lastSeq(session: string): number {
    return this.#store.lastSeq(session);
  }

  /** Entries behind `after`, in order: at most `limit`, and once they are longer than `lengthMax` (UTF-16 code units) no more. */
  read(session: string, after: number, limit: number, lengthMax: number): Stretch {
    const stretch: Stretch = { entries: [], upTo: after };
    let length = 0;
    const range = this.#store.entries.getRange({ start: [session, after + 1], end: [session, Infinity], limit });
    for (const { key, value } of range) {
      stretch.upTo = key[1];
      if (value !== undefined) stretch.entries.push(value);
      length += value?.text.length ?? 0;
      if (length > lengthMax) break;
    }
    return stretch;
  }

  entry(session: string, seq: number): HistoryEntry | undefined {
    return this.#store.entries.get([session, seq]);
  }

  /** The entries that stand right before `seq` and belong to the turn of `message`, the newest first. */
  *turnBefore(session: string, seq: number, message: string): Generator<HistoryEntry, void> {
    const from = { start: [session, seq - 1] as EntryKey, end: [session, 0] as EntryKey };
    for (const { value } of this.#store.entries.getRange({ ...from, reverse: true, limit: TURN_ENTRIES_MAX })) {
      if (value === undefined) continue;
      if (value.message !== message) return;
      yield value;
    }
  }
}
