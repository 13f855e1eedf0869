/** What crosses between a shard and its search threads. */
import type { Boundary } from './folder.ts';

export interface SearchRequest {
  pattern: string;
  path: string;
  /** Else `pattern` is plain text. */
  regex: boolean;
  ignoreCase: boolean;
  /** Only files whose path, from the folder searched, fits. */
  glob?: string | undefined;
}

export interface SearchTask extends SearchRequest, Boundary {
  segments: readonly string[];
  /** It stops with what it has after so long, where the expression lets it. */
  timeoutMs: number;
}

export type SearchOutcome = { text: string } | { problem: string };
