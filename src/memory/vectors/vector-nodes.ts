import type { Found } from './nearest.ts';
import type { VectorIndexKind } from './vector-index.ts';

/**
 * Vectors in the order in which they were appended; a node is a place in it. None is ever changed or taken out: what is dead is
 * left behind when the living are copied into another (`labelled-index.ts`). All vectors here are of length one.
 */
export interface VectorNodes {
  readonly kind: VectorIndexKind;
  readonly count: number;
  /** The new node is the last. */
  append(unit: Float32Array): void;
  vectorOf(node: number): Float32Array;
  /** Up to `limit` nearest that `accepts` lets through, where it is given. */
  nearest(unit: Float32Array, limit: number, accepts?: (node: number) => boolean): NearestNodes;
  /** Writes the nodes there are now, and no later ones. */
  write(path: string): Promise<void>;
  /** Frees the memory at once, without waiting for the garbage collector, to which it is invisible. */
  free(): void;
}

export interface NearestNodes {
  /** Ids are nodes. */
  found: Found[];
  /** How it had to be found: by the graph alone; by comparing all accepted; by a walk through the graph with the filter. */
  how: 'graph' | 'exhaustive' | 'walk';
}
