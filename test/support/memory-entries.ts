/** Entries for tests of the memory. */
import type { MemoryBackend, MemoryFilter, MemoryHit, MemoryQuery } from '../../src/memory/backend.ts';
import type { MemoryEntry, MemoryReader } from '../../src/memory/entry.ts';
import { placeOf } from '../../src/memory/remembered.ts';

/** 2026-01-01. */
const START = 1_767_225_600_000;

/** The reader of a direct chat of anna's. */
export const ANNA: MemoryReader = {
  agent: 'main',
  session: 'agent:main:dm:telegram:anna',
  owner: 'dm:telegram:anna',
  scope: 'owner',
};

/** What anna has said, unless told otherwise. A fact has a ulid of its own as its id. */
export function entryOf(id: string, text: string, parts: Partial<MemoryEntry> = {}): MemoryEntry {
  const place = placeOf(id);
  return {
    id,
    kind: place === undefined ? 'fact' : 'user',
    agent: 'main',
    session: place?.session ?? ANNA.session,
    owner: ANNA.owner,
    channel: 'telegram',
    sender: 'telegram:anna',
    reach: 'owner',
    trusted: true,
    text,
    timestamp: START + (place?.seq ?? 0) * 60_000,
    message: `message-${place?.seq ?? id}`,
    ...parts,
  };
}

/** The id of an entry of anna's chat. */
export function said(seq: number, session = ANNA.session): string {
  return `${session}#${seq}`;
}

/** What stands in the journal: backends that keep no texts read them from here. */
export class Texts {
  readonly #texts = new Map<string, string>();

  get = (agent: string, id: string): string | undefined => this.#texts.get(`${agent} ${id}`);

  set(entry: MemoryEntry): void {
    this.#texts.set(`${entry.agent} ${entry.id}`, entry.text);
  }

  delete(agent: string, id: string): void {
    this.#texts.delete(`${agent} ${id}`);
  }
}

/** Writes entries of transcripts into the journal and the backend, as the learner does; positions are those of the last ones. */
export async function take(backend: MemoryBackend, texts: Texts, entries: readonly MemoryEntry[]): Promise<void> {
  for (const entry of entries) texts.set(entry);
  const lists = Map.groupBy(entries, ({ agent, session }) => `${agent} ${session}`);
  for (const list of lists.values()) {
    const sorted = list.toSorted((a, b) => (placeOf(a.id)?.seq ?? 0) - (placeOf(b.id)?.seq ?? 0));
    const last = sorted.at(-1) as MemoryEntry;
    await backend.append(last.agent, last.session, sorted, placeOf(last.id)?.seq ?? 0);
  }
}

export async function save(backend: MemoryBackend, texts: Texts, fact: MemoryEntry): Promise<void> {
  texts.set(fact);
  await backend.save(fact.agent, fact);
}

export function find(
  backend: MemoryBackend,
  text: string,
  parts: Partial<MemoryQuery> & { filter?: MemoryFilter } = {},
): Promise<readonly MemoryHit[]> {
  const query: MemoryQuery = { text, reader: ANNA, limit: 50, ...parts };
  return backend.search(query.reader.agent, query, new AbortController().signal);
}

/** The ids of what is found. */
export async function found(...query: Parameters<typeof find>): Promise<string[]> {
  return (await find(...query)).map(({ entry }) => entry.id);
}
