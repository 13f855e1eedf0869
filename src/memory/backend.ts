/**
 * The seam of the memory: what keeps entries so that they are found again. The transcript in the journal and the table of facts
 * are what is true; a backend holds what can be made of them anew, but for its own positions. One of them is built in (`local/`);
 * another is a plugin's. `test/memory/backend-suite.ts` is what all must pass.
 */
import type { MemoryEntry, MemoryKind, MemoryReader } from './entry.ts';

/** Most results of a search. */
export const RESULTS_MAX = 50;
/** Longest text of a query, in UTF-16 code units; more is cut. */
export const QUERY_LENGTH_MAX = 2_000;

export interface MemoryQuery {
  text: string;
  reader: MemoryReader;
  /** True: only what may be recalled unasked, see `mayRecallUnasked`. */
  unasked?: true;
  /** At most {@link RESULTS_MAX}. */
  limit: number;
  filter?: MemoryFilter;
}

/** All that is given must hold. */
export interface MemoryFilter {
  session?: string;
  channel?: string;
  sender?: string;
  kinds?: readonly MemoryKind[];
  /** Milliseconds since the epoch: from, and before. */
  after?: number;
  before?: number;
  /** Entries of the reader's session from this number on are left out: the model has them before it. */
  beforeSeq?: number;
}

export interface MemoryHit {
  /** Its text is the passage that was found, where the entry is long. */
  entry: MemoryEntry;
  /** Higher is better; comparable within one search only. */
  score: number;
  /** Which halves of the search have found it. */
  by: readonly ('words' | 'meaning')[];
}

/**
 * What is to be forgotten: the entries of a session's transcript and how far it was taken in (or only those up to a number), single
 * entries, or all there is of an agent.
 */
export type Forgotten = { session: string; upTo?: number } | { ids: readonly string[] } | { everything: true };

export interface MemoryStatus {
  agent: string;
  backend: string;
  /** Entries that can be found. */
  entries: number;
  /** Entries that are yet to be taken in. */
  pending: number;
  embedder: string;
  /** Why it does not do what it should. */
  trouble?: string;
}

/** All methods are safe to call again after a failure: what was taken in already is not there twice. */
export interface MemoryBackend {
  readonly name: string;
  /**
   * Takes in what was said in one session, in order, and notes that it has seen its transcript up to the number `upTo`, both or
   * neither. Entries that are there are replaced.
   */
  append(agent: string, session: string, entries: readonly MemoryEntry[], upTo: number): Promise<void>;
  /** How far each session's transcript was taken in. */
  positions(agent: string): Promise<ReadonlyMap<string, number>>;
  /** Takes in a fact, or another wording of it under the same id. */
  save(agent: string, fact: MemoryEntry): Promise<void>;
  /** Those of the ids that are there. */
  load(agent: string, ids: readonly string[]): Promise<readonly MemoryEntry[]>;
  /** Best first. Must return nothing that `mayRecall` (or `mayRecallUnasked`) refuses to the reader. */
  search(agent: string, query: MemoryQuery, signal: AbortSignal): Promise<readonly MemoryHit[]>;
  /** Resolves when nothing of it is found any more, with how many entries went. */
  forget(agent: string, what: Forgotten): Promise<number>;
  status(agent: string): Promise<MemoryStatus>;
  /** Writes down what it holds, and ends. */
  close(): Promise<void>;
}
