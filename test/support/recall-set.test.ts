/**
 * Goal: the question set is what it says it is, so that the figures made with it mean something.
 * Method: count the words that a question and its answer share, and the entries that hold a key.
 */
import { expect, test } from 'vitest';
import { FACTS, TOLD } from './recall-facts.ts';
import { recallSet } from './recall-set.ts';

/** Words that say nothing of what a text is about. */
const EMPTY = new Set(
  'i me my mine we us our you he she it its they the a an and or but of to in on at by for from with into under after before is am are was were be been has have had do does did not no that this which what who whose where when why how much many there can cannot will would me'.split(
    ' ',
  ),
);

function wordsOf(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  return new Set(words.filter((word) => !EMPTY.has(word)).map((word) => word.replace(/(?<=...)(?:ing|ed|es|s)$/, '')));
}

function sharedBy(a: Set<string>, b: Set<string>): number {
  return [...a].filter((word) => b.has(word)).length;
}

const { entries, questions } = recallSet();

test('it is the same each time, and of the size that is told', () => {
  expect(recallSet()).toEqual({ entries, questions });
  expect(new Set(entries).size).toBe(entries.length);
  const kinds = Object.groupBy(questions, ({ kind }) => kind);
  expect(Object.entries(kinds).map(([kind, list]) => [kind, list.length])).toEqual(
    expect.arrayContaining([
      ['meaning', 120],
      ['exact', 120],
      ['both', 60],
      ['foreign', 24],
    ]),
  );
  expect(entries.length).toBeGreaterThan(4_000);
});

test('a paraphrase shares no word with what it asks for, but for one in ten', () => {
  for (const facts of [FACTS, TOLD]) {
    const shared = facts.map(([said, asked]) => sharedBy(wordsOf(said), wordsOf(asked)));
    expect(Math.max(...shared)).toBeLessThanOrEqual(1);
    expect(shared.filter((count) => count > 0).length).toBeLessThanOrEqual(facts.length / 10);
  }
});

test('what an exact question asks for by its key is in one entry only, among many like it', () => {
  for (const { text, answer } of questions.filter(({ kind }) => kind === 'exact')) {
    const key = text.split(' ').sort((a, b) => keyness(b) - keyness(a))[0]!;
    expect(entries[answer]).toContain(key);
    const others = entries.filter((entry, i) => i !== answer && entry.split(/[ ,:]+/).includes(key));
    expect(others.length, key).toBeLessThanOrEqual(1);
  }
});

/** Names and ids: digits first, then capitals, then length. */
function keyness(word: string): number {
  return Number(/\d/.test(word)) * 1_000 + Number(/^[A-Z]/.test(word)) * 100 + word.length;
}
