/**
 * Which vectors are nearest to one. The index is derived: whoever keeps the vectors (in LMDB) builds it anew where its
 * snapshot is missing or damaged. Everything here runs on the memory thread and never on a shard: a search takes milliseconds.
 *
 *     const opened = await openVectorIndex(options);                                       // open.ts
 *     const index = 'index' in opened ? opened.index : await createVectorIndex(options);   // and add all there is
 *     index.add(row, vector); index.search(query, 10); index.remove(row);
 *     while (index.step(5)) await nextTask();       // between requests: what else there is to do, in slices
 *     await index.save({ generation, position });
 */

/** Vectors by number, and the nearest of them. */
export interface VectorIndex {
  readonly dimensions: number;
  /** `exact` compares with every vector: where hnswlib-node is not compiled on this machine. */
  readonly kind: VectorIndexKind;
  /** Labels it holds. Vectors that are the same, bit by bit, are kept once. */
  readonly size: number;
  /**
   * Adds or replaces; the same once more changes nothing. Labels are positive integers below 2^32, rows of the caller's
   * table. Throws RangeError for another label, another number of dimensions, and a vector without a direction (zero, or not
   * finite: `hasDirection` of unit-vector.ts).
   */
  add(label: number, vector: Float32Array): void;
  has(label: number): boolean;
  /** No search finds it any more. Its vector leaves memory and the snapshot with the next compaction. */
  remove(label: number): void;
  /** Up to `limit` (at most {@link SEARCH_LIMIT_MAX}) nearest by cosine, nearest first; none for a vector without a direction. */
  search(vector: Float32Array, limit: number, filter?: VectorFilter): VectorHit[];
  /** Compacts as soon as `step` is called, however few are dead: for what must really be gone. Save a snapshot after it. */
  compact(): void;
  /**
   * Goes on for about `budgetMs` with the compaction, which begins by itself when a quarter is dead. Says whether there is more.
   * Searches meanwhile find what they should. Until it ends, there are two graphs in memory, and an addition takes twice as long.
   */
  step(budgetMs: number): boolean;
  /**
   * Writes a snapshot of what it holds now: the old one or the new one is there, whatever happens. Changes meanwhile are
   * allowed and not in it. One at a time; rejects with what the system says where it cannot be written. It holds up its thread
   * at first, some 2 ms for 1,000 vectors (why: `hnsw-nodes.ts`): a save while nobody asks is better than one every few seconds.
   */
  save(tag: SnapshotTag): Promise<void>;
  /** Frees its memory. A snapshot that is being written is finished first. Nothing else may be called then. */
  close(): Promise<void>;
  readonly stats: VectorStats;
}

export type VectorIndexKind = 'hnsw' | 'exact';

/** Which labels a search may return. */
export interface VectorFilter {
  /**
   * Asked often: for every label met, and for all there are where few are accepted. So it should look into a Set or the like, and
   * never into a database.
   */
  accepts(label: number): boolean;
  /**
   * All that `accepts` lets through, where the caller knows them, with their vectors. Up to {@link CANDIDATES_MAX} are all
   * compared and the answer is exact; with more it is not called. Labels the index does not hold are passed over.
   */
  candidates?: { count: number; vectors(): Iterable<readonly [label: number, vector: Float32Array]> };
}

export interface VectorHit {
  label: number;
  /** The cosine, from -1 to 1. */
  similarity: number;
}

/** What a snapshot holds, in the caller's terms: up to where its table was indexed. */
export interface SnapshotTag {
  /** The caller's count of beginnings, whatever it means by it. */
  generation: number;
  /** The highest label that is contained, or anything else from which the caller goes on. */
  position: number;
}

export interface VectorIndexOptions {
  /** A folder of its own for the snapshot; made with the first one. */
  folder: string;
  dimensions: number;
  /** Whose vectors these are: those of two embedders must never be compared. */
  embedder: string;
  /** Compare with every vector although hnswlib-node is there. */
  exact?: boolean;
}

/** `none`: there is no snapshot. `damaged`: it is not what was written. `other`: of another embedder, kind or version. */
export type OpenedVectorIndex =
  | { index: VectorIndex; tag: SnapshotTag }
  | { reason: 'none' | 'damaged' | 'other'; message: string };

/** Counts since it was opened, and its present state. */
export interface VectorStats {
  /** Vectors that are kept and no label has any more. */
  dead: number;
  compacting: boolean;
  compactions: number;
  searches: number;
  /** Searches answered by comparing all candidates. */
  byCandidates: number;
  /** Searches in which looking further did not yield enough that the filter accepts, so that all accepted were compared. */
  exhaustive: number;
  /** The same where too many were accepted for that: the graph was walked with the filter. */
  filteredWalks: number;
}

/** More candidates than that are not compared one by one: each is a read from the caller's table, some microseconds. */
export const CANDIDATES_MAX = 2_000;
/** More are never shown to anybody; it bounds what a search costs. */
export const SEARCH_LIMIT_MAX = 1_000;
