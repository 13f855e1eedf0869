/**
 * Scorecard row 18, the memory half: what is said or saved in one place is recalled in no other, unless the configuration lets it.
 * Goal: no leak through the tools, the requests or what is put before a model unasked, whatever the scopes are. Method: real
 * sessions of all types, over two channels and two agents, each with words and facts of its own, and a backend that keeps no
 * rule at all, so that it is the shard that has to. What may be seen is worked out here, from who is who, not from the code's rule.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MemoryWorld } from '../support/memory-world.ts';

const REACHES = ['session', 'owner', 'agent'] as const;
type Reach = (typeof REACHES)[number];
type Scopes = Record<'main' | 'dm' | 'group', Reach>;

/** Every kind of place: a person on two channels, another, groups with the same name, the operator, and the same of another agent. */
const PLACES = ['main', 'other'].flatMap((agent) => [
  `agent:${agent}:main`,
  `agent:${agent}:dm:telegram:ada`,
  `agent:${agent}:dm:telegram:bob`,
  `agent:${agent}:dm:slack:ada`,
  `agent:${agent}:group:telegram:ada`,
  `agent:${agent}:group:slack:kitchen`,
]);
const wordsIn = (text: string): string[] => text.match(/\b[a-z]+[0-9]+x\b/g) ?? [];

/** What the test knows of a word: where it came up, and how far it was saved to be recalled. */
interface Known {
  place: string;
  reach: Reach;
  fact: boolean;
}

const agentOf = (place: string): string => place.split(':')[1]!;
const typeOf = (place: string): keyof Scopes => place.split(':')[2] as keyof Scopes;

/** Every place is its own owner here, so `owner` reaches no further than the place itself. */
function mayAsk(reader: string, { place, reach }: Known, scope: Scopes): boolean {
  if (agentOf(reader) !== agentOf(place)) return false;
  return reader === place || reach === 'agent' || scope[typeOf(reader)] === 'agent';
}

function mayBeTold(reader: string, { place, reach, fact }: Known): boolean {
  return reader === place || (fact && reach === 'agent' && agentOf(reader) === agentOf(place));
}

it('what is said and saved in a place is recalled where that may be, and nowhere else', async () => {
  const scopes = fc.record({
    main: fc.constantFrom(...REACHES),
    dm: fc.constantFrom(...REACHES),
    group: fc.constantFrom(...REACHES),
  });
  let found = 0;
  let told = 0;
  const check = async (scope: Scopes) => {
    const world = await MemoryWorld.open({ memory: { scope } });
    const known = new Map<string, Known>();
    const fill = async (place: string, at: number) => {
      await world.say(place, `tea said${at}x`);
      known.set(`said${at}x`, { place, reach: 'owner', fact: false });
      for (const reach of REACHES) {
        const word = `${reach}${at}x`;
        const { results } = await world.say(place, `save ${reach} tea ${word}`);
        const isAllowed = REACHES.indexOf(reach) <= REACHES.indexOf(scope[typeOf(place)]);
        expect(results[0]?.startsWith('It is saved')).toBe(isAllowed);
        // What was not saved was said.
        known.set(word, { place, reach: isAllowed ? reach : 'owner', fact: isAllowed });
      }
    };
    const look = async (place: string) => {
      const { results } = await world.say(place, `search tea ${place}`);
      const { results: requested } = await world.request('memory.search', { session: place, query: 'tea', limit: 50 });
      const { unasked } = await world.say(place, `is there tea? ${place}`);
      for (const word of [...wordsIn(results.join()), ...wordsIn(JSON.stringify(requested))]) {
        const one = known.get(word);
        expect(one === undefined ? `${word}: not saved` : mayAsk(place, one, scope) || `${word} in ${place}`).toBe(
          true,
        );
        found += 1;
      }
      for (const word of wordsIn(unasked)) {
        const one = known.get(word);
        expect(one === undefined ? word : mayBeTold(place, one) || `${word} told to ${place}`).toBe(true);
        told += 1;
      }
      // And what may be recalled is: a memory that finds nothing leaks nothing.
      for (const [word, one] of known) {
        if (one.fact && mayAsk(place, one, scope)) expect(wordsIn(JSON.stringify(requested))).toContain(word);
      }
    };
    await Promise.all(PLACES.map(fill));
    await Promise.all(PLACES.map(look));
    await world.close();
  };
  await fc.assert(fc.asyncProperty(scopes, check), { numRuns: 4, endOnFailure: true });
  expect(found).toBeGreaterThan(300);
  expect(told).toBeGreaterThan(20);
}, 60_000);
