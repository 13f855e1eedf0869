import type { FoundPassage } from './entry-table.ts';

/** What the first places are worth beside the next: the constant of reciprocal rank fusion (Cormack and others, 2009). */
const RANK_BASE = 60;
/** Of an entry's score, how much its age takes away at most, and in which time half of that. */
const RECENCY_SHARE = 0.3;
const HALF_LIFE_MS = 30 * 24 * 3_600_000;

/**
 * A passage that has less than this of what the query says is found by a word or two that mean little there: it comes after all that
 * was found by meaning. `npm run bench -- recall` says what it is worth; anything from 0.3 to 0.45 is as good.
 */
const SHARE_MIN = 0.35;
const WEAK = 0.01;

/** A passage found by words, and how much of what the query says is in it, from 0 to 1. */
export interface WordsPassage extends FoundPassage {
  share: number;
}

export interface Ranked {
  /** The passage of the entry that was found best. */
  best: FoundPassage;
  score: number;
  by: ('words' | 'meaning')[];
}

/**
 * Both lists as one, the best first. An entry scores `1 / (60 + place)` in each list it is in, by its best passage there, in that of
 * the words as much of it as it has of the query: a list of words always has a hundred entries, a few of which may mean it. Of that
 * up to 30 % goes with its age, half of those in 30 days, so that of two that are as good the newer one is first and an old one
 * that is the only good one stays there. `now`: milliseconds since the epoch.
 */
export function rank(words: readonly WordsPassage[], meaning: readonly FoundPassage[], now: number): Ranked[] {
  const found = new Map<number, Ranked & { bestPlace: number }>();
  // Words that have nothing beside them are ranked by BM25 alone.
  const weighed = words.map((passage) => ({ passage, weight: meaning.length === 0 ? 1 : weightOf(passage) }));
  const meant = meaning.map((passage) => ({ passage, weight: 1 }));
  for (const [by, list] of [['words', weighed] as const, ['meaning', meant] as const]) {
    const seen = new Set<number>();
    for (const { passage, weight } of list) {
      if (seen.has(passage.row)) continue;
      seen.add(passage.row);
      const place = seen.size;
      const ranked = found.get(passage.row) ?? { best: passage, bestPlace: place, score: 0, by: [] };
      ranked.score += weight / (RANK_BASE + place);
      ranked.by.push(by);
      if (place < ranked.bestPlace) {
        ranked.best = passage;
        ranked.bestPlace = place;
      }
      found.set(passage.row, ranked);
    }
  }
  for (const ranked of found.values()) ranked.score *= recency(now - ranked.best.entry.timestamp);
  return [...found.values()].sort((a, b) => b.score - a.score || b.best.entry.timestamp - a.best.entry.timestamp);
}

function weightOf({ share }: WordsPassage): number {
  return share < SHARE_MIN ? share * WEAK : share;
}

function recency(ageMs: number): number {
  return 1 - RECENCY_SHARE + RECENCY_SHARE * 2 ** (-Math.max(0, ageMs) / HALF_LIFE_MS);
}
