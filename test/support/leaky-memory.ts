import { parseSessionKey } from '../../actors/session/session-key.ts';
import type { MemoryHit, MemoryQuery } from '../../src/memory/backend.ts';
import type { MemoryEntry } from '../../src/memory/entry.ts';
import { ownerOf } from '../../src/memory/entry.ts';
import type { MemoryServices } from '../../src/memory/services.ts';
import type { Store } from '../../src/storage/store.ts';

export interface LeakyMemory extends MemoryServices {
  /** All it was asked, and told. */
  queries: MemoryQuery[];
  news: Parameters<MemoryServices['changed']>[0][];
  cancelled: string[];
  /** Awaited before each answer. */
  before: () => Promise<unknown>;
}

/**
 * A memory that keeps no rule: it finds whatever has a word of the query, of any agent, whoever asks, and calls all of it
 * trusted and everybody's. What comes of that is what a shard lets through.
 */
export function leakyMemory(store: Store): LeakyMemory {
  const memory: LeakyMemory = {
    ...{ queries: [], news: [], cancelled: [], before: async () => {} },
    async search(_call, _agent, query) {
      memory.queries.push(query);
      await memory.before();
      return entriesOf(store).flatMap((entry) => hitsOf(entry, query));
    },
    cancel: (call) => void memory.cancelled.push(call),
    changed: (news) => void memory.news.push(news),
    status: async () => [],
  };
  return memory;
}

function hitsOf(entry: MemoryEntry, { text, filter }: MemoryQuery): MemoryHit[] {
  if (filter?.kinds !== undefined && !filter.kinds.includes(entry.kind)) return [];
  const words = new Set(wordsOf(text));
  const score = wordsOf(entry.text).filter((word) => words.has(word)).length;
  return score === 0 ? [] : [{ entry, score, by: ['words'] }];
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/\w+/g) ?? [];
}

function entriesOf(store: Store): MemoryEntry[] {
  const everybodys = { reach: 'agent', trusted: true } as const;
  const found: MemoryEntry[] = [];
  for (const { key, value } of store.entries.getRange({})) {
    const parts = parseSessionKey(key[0]);
    if (value === undefined || parts === undefined || value.role === 'reset') continue;
    const { agent, channel } = parts;
    const { text, timestamp, message } = value;
    const place = { agent, session: key[0], owner: ownerOf(parts), channel, sender: `${channel}:${parts.user}` };
    found.push({ ...everybodys, ...place, id: `${key[0]}#${key[1]}`, kind: value.role, text, timestamp, message });
  }
  const agents = new Set([...store.sessions.getKeys()].map((key) => parseSessionKey(key)?.agent ?? ''));
  for (const agent of agents) {
    for (const { id, fact } of store.facts.list(agent)) found.push({ ...fact, ...everybodys, id, kind: 'fact', agent });
  }
  return found;
}
