import type { Forgotten, MemoryBackend, MemoryHit, MemoryQuery, MemoryStatus } from '../../src/memory/backend.ts';
import { type MemoryEntry, mayRecall, mayRecallUnasked } from '../../src/memory/entry.ts';
import { placeOf } from '../../src/memory/remembered.ts';

interface AgentMemory {
  entries: Map<string, MemoryEntry>;
  positions: Map<string, number>;
}

/** The plainest backend there is: everything in a map, and the more words of a query an entry has the better it is. */
export class InMemoryBackend implements MemoryBackend {
  readonly name = 'in-memory';
  readonly #agents = new Map<string, AgentMemory>();

  async append(agent: string, session: string, entries: readonly MemoryEntry[], upTo: number): Promise<void> {
    const memory = this.#of(agent);
    for (const entry of entries) memory.entries.set(entry.id, entry);
    memory.positions.set(session, upTo);
  }

  async positions(agent: string): Promise<ReadonlyMap<string, number>> {
    return new Map(this.#of(agent).positions);
  }

  async save(agent: string, fact: MemoryEntry): Promise<void> {
    this.#of(agent).entries.set(fact.id, fact);
  }

  async load(agent: string, ids: readonly string[]): Promise<readonly MemoryEntry[]> {
    return ids.flatMap((id) => this.#of(agent).entries.get(id) ?? []);
  }

  async search(agent: string, query: MemoryQuery, signal: AbortSignal): Promise<readonly MemoryHit[]> {
    signal.throwIfAborted();
    const words = wordsOf(query.text);
    const hits: MemoryHit[] = [];
    for (const entry of this.#of(agent).entries.values()) {
      const score = [...wordsOf(entry.text)].filter((word) => words.has(word)).length;
      if (score > 0 && isWanted(entry, query)) hits.push({ entry, score, by: ['words'] });
    }
    return hits.sort((a, b) => b.score - a.score).slice(0, query.limit);
  }

  async forget(agent: string, what: Forgotten): Promise<number> {
    const { entries, positions } = this.#of(agent);
    const before = entries.size;
    if ('everything' in what) this.#agents.delete(agent);
    else if ('ids' in what) for (const id of what.ids) entries.delete(id);
    else {
      for (const id of entries.keys()) {
        const place = placeOf(id);
        if (place?.session === what.session && place.seq <= (what.upTo ?? Infinity)) entries.delete(id);
      }
      if (what.upTo === undefined) positions.delete(what.session);
    }
    return before - this.#of(agent).entries.size;
  }

  async status(agent: string): Promise<MemoryStatus> {
    return { agent, backend: this.name, entries: this.#of(agent).entries.size, pending: 0, embedder: 'none' };
  }

  async close(): Promise<void> {}

  #of(agent: string): AgentMemory {
    let memory = this.#agents.get(agent);
    if (memory === undefined) {
      memory = { entries: new Map(), positions: new Map() };
      this.#agents.set(agent, memory);
    }
    return memory;
  }
}

function isWanted(entry: MemoryEntry, { reader, unasked, filter = {} }: MemoryQuery): boolean {
  const seq = placeOf(entry.id)?.seq ?? 0;
  const { session = entry.session, channel = entry.channel, sender = entry.sender, kinds = [entry.kind] } = filter;
  return (
    (unasked ? mayRecallUnasked : mayRecall)(reader, entry) &&
    [session, channel, sender].join() === [entry.session, entry.channel, entry.sender].join() &&
    kinds.includes(entry.kind) &&
    entry.timestamp >= (filter.after ?? 0) &&
    entry.timestamp < (filter.before ?? Infinity) &&
    !(entry.session === reader.session && seq >= (filter.beforeSeq ?? Infinity))
  );
}

function wordsOf(text: string): Set<string> {
  return new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu));
}
