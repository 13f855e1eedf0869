/** How well a search finds what answers a question. Ranks count from 0; an entry that is not found has the rank Infinity. */

/** The rank of `entry` by the cosine of its vector with that of a question, all of length 1. */
export function rankOf(entry: number, entries: readonly Float32Array[], question: Float32Array): number {
  const own = cosine(entries[entry]!, question);
  let rank = 0;
  for (const [i, vector] of entries.entries()) if (i !== entry && cosine(vector, question) >= own) rank += 1;
  return rank;
}

/** The share of answers among the first ten. */
export function recallOf(ranks: readonly number[]): number {
  return ranks.filter((rank) => rank < 10).length / ranks.length;
}

/** The mean of 1 / (rank + 1). */
export function reciprocalRankOf(ranks: readonly number[]): number {
  return ranks.reduce((sum, rank) => sum + 1 / (rank + 1), 0) / ranks.length;
}

export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
