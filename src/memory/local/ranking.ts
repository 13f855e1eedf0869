import type { FoundPassage } from './entry-table.ts';

/** What the first places are worth beside the next: the constant of reciprocal rank fusion (Cormack and others, 2009). */
const RANK_BASE = 60;
/** Of an entry's score, how much its age takes away at most, and in which time half of that. */
const RECENCY_SHARE = 0.3;
const HALF_LIFE_MS = 30 * 24 * 3_600_000;

export interface Ranked {
  /** The passage of the entry that was found best. */
  best: FoundPassage;
  score: number;
  by: ('words' | 'meaning')[];
}

/**
 * Both lists as one, the best first. An entry scores `1 / (60 + place)` in each list it is in, by its best passage there; of that
 * up to 30 % goes with its age, half of those in 30 days, so that of two that are as good the newer one is first and an old one
 * that is the only good one stays there. `now`: milliseconds since the epoch.
 */
export function rank(words: readonly FoundPassage[], meaning: readonly FoundPassage[], now: number): Ranked[] {
  const found = new Map<number, Ranked & { bestPlace: number }>();
  for (const [by, list] of [['words', words] as const, ['meaning', meaning] as const]) {
    const seen = new Set<number>();
    for (const passage of list) {
      if (seen.has(passage.row)) continue;
      seen.add(passage.row);
      const place = seen.size;
      const ranked = found.get(passage.row) ?? { best: passage, bestPlace: place, score: 0, by: [] };
      ranked.score += 1 / (RANK_BASE + place);
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

function recency(ageMs: number): number {
  return 1 - RECENCY_SHARE + RECENCY_SHARE * 2 ** (-Math.max(0, ageMs) / HALF_LIFE_MS);
}
