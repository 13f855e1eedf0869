/**
 * Goal: a memory that is late does not hold up every message of a busy machine. Method: a search that fails or answers as the test
 * says, and a clock that only the test moves.
 */
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import type { MemoryHit } from '../../src/memory/backend.ts';
import { AutomaticRecall, RecallPace } from '../../src/memory/recall.ts';
import type { Store } from '../../src/storage/store.ts';
import { ManualClock } from '../support/manual-clock.ts';

function setUp() {
  const clock = new ManualClock();
  let answer = (): Promise<MemoryHit[]> => Promise.reject(new Error('the thread has ended'));
  let searches = 0;
  const recall = new AutomaticRecall({
    search: () => {
      searches += 1;
      return answer();
    },
    store: {} as Store, // only looked at by mayFind
    clock,
    log: pino({ level: 'silent' }),
    rule: configSchema.parse({}).memory.recall,
  });
  const reader = { agent: 'main', session: 'agent:main:main', owner: 'main', scope: 'agent' as const };
  const signal = new AbortController().signal;
  return {
    clock,
    answerWith: (next: typeof answer) => {
      answer = next;
    },
    /** Whether a message was looked up. */
    look: async () => {
      const before = searches;
      await recall.for({ reader, text: 'cats', beforeSeq: 1, hasOlder: true, messages: new Set(), signal });
      return searches > before;
    },
  };
}

it('after a search that failed, messages go without for a second, then two, and as before once one has answered', async () => {
  const { answerWith, clock, look } = setUp();
  expect(await look()).toBe(true);
  expect(await look()).toBe(false);
  await clock.advance(999);
  expect(await look()).toBe(false);
  await clock.advance(1);
  expect(await look()).toBe(true);
  await clock.advance(1_000);
  expect(await look()).toBe(false);
  await clock.advance(1_000);
  answerWith(async () => []);
  expect(await look()).toBe(true);
  expect(await look()).toBe(true);
  answerWith(() => Promise.reject(new Error('again')));
  expect(await look()).toBe(true);
  await clock.advance(1_000);
  expect(await look()).toBe(true);
});

it('no more than eight are looked up at a time', async () => {
  const { answerWith, look } = setUp();
  const { promise, resolve } = Promise.withResolvers<MemoryHit[]>();
  answerWith(() => promise);
  const looks = Array.from({ length: 10 }, look);
  resolve([]);
  expect((await Promise.all(looks)).filter((looked) => looked)).toHaveLength(8);
  expect(await look()).toBe(true);
});

it('of one session five in a row are looked up, then one a second', () => {
  const pace = new RecallPace();
  const takes = (now: number, count: number) =>
    Array.from({ length: count }, () => pace.take(now)).filter(Boolean).length;
  expect(takes(10_000, 20)).toBe(5);
  expect(takes(10_999, 20)).toBe(0);
  expect(takes(11_000, 20)).toBe(1);
  expect(takes(13_500, 20)).toBe(2);
  expect(takes(60_000, 20)).toBe(5);
});
