/** What the tool and its thread both know of a search; here, so that a shard need not load what searches. */

export const RESULTS_MAX = 20;
/** Longest query, in characters, and in words: Brave's limits. */
export const QUERY_LENGTH_MAX = 400;
export const QUERY_WORDS_MAX = 50;

export interface SearchResult {
  title: string;
  url: string;
  description: string;
  /** As the engine says it. */
  age?: string;
}
