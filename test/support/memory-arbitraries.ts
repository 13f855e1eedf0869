/** Entries, readers and filters that have much to do with each other, for properties of who may recall what. */
import fc from 'fast-check';
import type { MemoryFilter } from '../../src/memory/backend.ts';
import type { MemoryEntry, MemoryKind, MemoryReader, Reach } from '../../src/memory/entry.ts';
import { placeOf } from '../../src/memory/remembered.ts';
import { entryOf, said } from './memory-entries.ts';

const KINDS: readonly MemoryKind[] = ['user', 'assistant', 'tool', 'summary'];
const REACHES: readonly Reach[] = ['session', 'owner', 'agent'];
const AGENTS = ['main', 'other'];
const USERS = ['anna', 'ben', 'carl'];
const CHANNELS = ['telegram', 'slack'];
const TIMES = [1_000, 2_000, 3_000];
export const FACT = '01J0000000000000000000000';

/** Entries of few agents, sessions, owners and times, so that they have much to do with each other. All have one word. */
const anEntry = fc
  .record({
    agent: fc.constantFrom(...AGENTS),
    user: fc.constantFrom(...USERS),
    owner: fc.constantFrom(...USERS),
    seq: fc.integer({ min: 1, max: 6 }),
    isFact: fc.boolean(),
    kind: fc.constantFrom(...KINDS),
    channel: fc.constantFrom(...CHANNELS),
    sender: fc.constantFrom(...USERS),
    reach: fc.constantFrom(...REACHES),
    trusted: fc.boolean(),
    timestamp: fc.constantFrom(...TIMES),
  })
  .map(({ user, seq, isFact, kind, agent, ...parts }) => {
    const session = `agent:${agent}:dm:telegram:${user}`;
    const id = isFact ? `${FACT}${USERS.indexOf(user)}${seq}` : said(seq, session);
    return entryOf(id, `pelican number ${seq}`, { ...parts, agent, session, kind: isFact ? 'fact' : kind });
  });

export const manyEntries = fc.uniqueArray(anEntry, {
  selector: ({ agent, id }) => `${agent} ${id}`,
  minLength: 20,
  maxLength: 45,
});

export const aReader: fc.Arbitrary<MemoryReader> = fc
  .record({
    agent: fc.constantFrom(...AGENTS),
    user: fc.constantFrom(...USERS),
    owner: fc.constantFrom(...USERS, 'nobody'),
    scope: fc.constantFrom(...REACHES),
  })
  .map(({ agent, user, owner, scope }) => ({ agent, session: `agent:${agent}:dm:telegram:${user}`, owner, scope }));

const filters: fc.Arbitrary<Required<MemoryFilter>> = fc.record({
  session: fc.constantFrom(...USERS.map((user) => `agent:main:dm:telegram:${user}`)),
  channel: fc.constantFrom(...CHANNELS),
  sender: fc.constantFrom(...USERS),
  kinds: fc.uniqueArray(fc.constantFrom<MemoryKind>(...KINDS, 'fact'), { minLength: 1 }),
  after: fc.constantFrom(...TIMES),
  before: fc.constantFrom(...TIMES),
  beforeSeq: fc.integer({ min: 1, max: 6 }),
});

/** One or two things at most: of more, next to nothing would be left. */
export const aFilter: fc.Arbitrary<MemoryFilter> = filters.chain((all) =>
  fc
    .shuffledSubarray(Object.entries(all), { maxLength: 2 })
    .map((entries) => Object.fromEntries(entries) as MemoryFilter),
);

/** What a filter says, in words of its own. */
export function passes(entry: MemoryEntry, filter: MemoryFilter, reader: MemoryReader): boolean {
  const { session, channel, sender, kinds, after, before, beforeSeq } = filter;
  const seq = placeOf(entry.id)?.seq;
  return (
    (session === undefined || entry.session === session) &&
    (channel === undefined || entry.channel === channel) &&
    (sender === undefined || entry.sender === sender) &&
    (kinds === undefined || kinds.includes(entry.kind)) &&
    (after === undefined || entry.timestamp >= after) &&
    (before === undefined || entry.timestamp < before) &&
    (beforeSeq === undefined || seq === undefined || entry.session !== reader.session || seq < beforeSeq)
  );
}
