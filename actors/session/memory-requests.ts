/** What clients ask of an agent's memory: an operator, or a session as it would be answered itself. */
import type { Config } from '../../src/config/schema.ts';
import type { MemoryFilter } from '../../src/memory/backend.ts';
import type { MemoryReader } from '../../src/memory/entry.ts';
import { operatorOf } from '../../src/memory/reader.ts';
import type { ShardMemory } from '../../src/memory/shard-memory.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { FactInfo, Replies, RequestData } from '../../src/protocol/messages.ts';
import type { FactRecord } from '../../src/storage/facts.ts';
import type { Store } from '../../src/storage/store.ts';
import { keptSession, noSuchSession } from './record.ts';
import { DEFAULT_AGENT, parseSessionKey } from './session-key.ts';
import { policyType } from './sub-agent.ts';

/** Results of a search, and facts of a page, where the client names no limit. */
const RESULTS = 10;
const PAGE = 50;
/** Text of a result and of a page of facts, in UTF-16 code units: a frame holds them all. */
const RESULT_LENGTH_MAX = 4_000;
const PAGE_LENGTH_MAX = 262_144;
/** Who saves what an operator has saved. */
const OPERATOR = 'operator';

export interface MemoryRequestParts {
  config: Pick<Config, 'agents'>;
  store: Store;
  /** Undefined: it is switched off. */
  memory?: ShardMemory | undefined;
}

/** Without a session all of the agent's is looked through, with one what that may recall. */
export async function searchMemory(
  parts: MemoryRequestParts,
  { agent, session, query, limit = RESULTS, ...filter }: RequestData<'memory.search'>,
): Promise<Replies['memory.search']> {
  const memory = memoryOf(parts);
  const reader = readerFor(parts, memory, agent, session);
  const asked = { text: query, reader, limit, filter: filter as MemoryFilter };
  const hits = await memory.search(asked, new AbortController().signal);
  const results = hits.map(({ entry: { agent: _, text, ...entry }, score, by }) => {
    return { ...entry, text: text.slice(0, RESULT_LENGTH_MAX), score, by };
  });
  return { agent: reader.agent, results };
}

/** As for the main session where no session is named. */
export async function saveFact(
  parts: MemoryRequestParts,
  { agent, session, text, reach, idempotencyKey: key }: RequestData<'memory.save'>,
): Promise<Replies['memory.save']> {
  const memory = memoryOf(parts);
  const reader = readerFor(parts, memory, agent, session);
  const channel = parseSessionKey(reader.session)?.channel ?? '';
  const said = { text, reach, trusted: true, channel, sender: OPERATOR, message: '' };
  const { id, fact, known } = await memory.facts.save(reader, { ...said, key: key && `request:${key}` });
  return { agent: reader.agent, fact: infoOf(id, fact), known };
}

/** Any of the agent's. */
export async function forgetFact(
  parts: MemoryRequestParts,
  { agent, fact }: RequestData<'memory.forget'>,
): Promise<Replies['memory.forget']> {
  const memory = memoryOf(parts);
  const reader = readerFor(parts, memory, agent, undefined);
  return { agent: reader.agent, fact, forgotten: await memory.facts.forget(reader, fact) };
}

/** One page of an agent's facts, also where the memory is switched off: they are kept. */
export function listFacts(
  parts: Pick<MemoryRequestParts, 'config' | 'store'>,
  { agent, limit = PAGE, cursor }: RequestData<'memory.list'>,
): Replies['memory.list'] {
  const named = agentOf(parts.config, agent, undefined);
  const facts: FactInfo[] = [];
  let length = 0;
  for (const { id, fact } of parts.store.facts.list(named, cursor, limit)) {
    length += fact.text.length;
    if (length > PAGE_LENGTH_MAX) break;
    facts.push(infoOf(id, fact));
  }
  const last = facts.at(-1)?.fact;
  const isFull = facts.length === limit || length > PAGE_LENGTH_MAX;
  return { agent: named, facts, ...(isFull && last !== undefined && { cursor: last }) };
}

function infoOf(fact: string, record: FactRecord): FactInfo {
  return { fact, ...record };
}

function memoryOf({ memory }: MemoryRequestParts): ShardMemory {
  if (memory !== undefined) return memory;
  throw new DhaavakError('invalid_request', 'the memory is switched off on this gateway: memory.enabled is false');
}

function readerFor(
  { config, store }: MemoryRequestParts,
  memory: ShardMemory,
  agent: string | undefined,
  session: string | undefined,
): MemoryReader {
  const named = agentOf(config, agent, session);
  if (session === undefined) return operatorOf(named);
  const parts = parseSessionKey(session);
  const kept = keptSession(store, session);
  if (parts === undefined || (kept === undefined && parts.type !== 'main')) throw noSuchSession(session);
  const { channel, user } = kept ?? parts;
  return memory.readerOf({ session, agent: named, type: policyType(kept ?? parts), channel, user });
}

/** Throws `not_found`, and `invalid_request` where the session is another agent's. */
function agentOf(config: Pick<Config, 'agents'>, agent: string | undefined, session: string | undefined): string {
  const own = session === undefined ? undefined : parseSessionKey(session)?.agent;
  const named = agent ?? own ?? DEFAULT_AGENT;
  if (own !== undefined && own !== named) {
    throw new DhaavakError('invalid_request', `${session} is a session of the agent ${own}`, { param: 'data.agent' });
  }
  if (Object.hasOwn(config.agents, named)) return named;
  throw new DhaavakError('not_found', `no agent is named ${named}`, { param: 'data.agent' });
}
