import { setImmediate } from 'node:timers/promises';
import { LabelledNodes } from './labelled-nodes.ts';
import { clampCosine, Nearest } from './nearest.ts';
import type { Snapshots } from './snapshots.ts';
import { dot, unitOf } from './unit-vector.ts';
import {
  CANDIDATES_MAX,
  SEARCH_LIMIT_MAX,
  type SnapshotTag,
  type VectorFilter,
  type VectorHit,
  type VectorIndex,
  type VectorStats,
} from './vector-index.ts';
import type { VectorNodes } from './vector-nodes.ts';

/** Compaction begins when this share of the nodes is dead: they cost memory, and searches step over them. */
const DEAD_SHARE = 0.25;
/** Fewer cost less than a compaction does. */
const DEAD_MIN = 1_000;
/** The next number is none in 32 bits, which is how hnswlib-node takes them. */
const LABEL_MAX = 2 ** 32 - 1;

/** Milliseconds in which additions that waited for the last snapshot are taken in before others have their turn. */
const SETTLE_MS = 5;

interface Parts {
  dimensions: number;
  embedder: string;
  held: LabelledNodes;
  /** Makes empty nodes for a compaction. */
  newNodes(): VectorNodes;
  snapshots: Snapshots;
}

/** The index over either kind of nodes; `open.ts` makes it. */
export class LabelledIndex implements VectorIndex {
  readonly dimensions: number;
  readonly #parts: Parts;
  #held: LabelledNodes;
  /**
   * A compaction: what is alive before `cursor` is in `into`, and so is what came after it began, from `end` on; so it ends,
   * however fast vectors are added.
   */
  #compaction: { into: LabelledNodes; cursor: number; readonly end: number } | undefined;
  #mustCompact = false;
  #saving: Promise<void> | undefined;
  readonly #counts = { compactions: 0, searches: 0, byCandidates: 0, exhaustive: 0, filteredWalks: 0 };

  constructor(parts: Parts) {
    this.#parts = parts;
    this.dimensions = parts.dimensions;
    this.#held = parts.held;
  }

  get kind(): VectorIndex['kind'] {
    return this.#held.nodes.kind;
  }

  get size(): number {
    return this.#held.book.labels;
  }

  get stats(): VectorStats {
    const { book, nodes } = this.#held;
    const compacting = this.#compaction !== undefined;
    return { ...this.#counts, dead: book.dead, waiting: nodes.waiting, compacting };
  }

  add(label: number, vector: Float32Array): void {
    if (!Number.isInteger(label) || label < 1 || label > LABEL_MAX) {
      throw new RangeError(`a label is an integer from 1 to ${LABEL_MAX}, not ${label}`);
    }
    const unit = this.#unitOf(vector);
    if (unit === undefined) {
      throw new RangeError(`the vector of ${label} has no direction: it is zero or has elements that are no numbers`);
    }
    this.#held.put(label, unit);
    if (this.#compaction === undefined) return;
    const { into, cursor, end } = this.#compaction;
    const node = this.#held.book.nodeOf(label) as number;
    // One whose node is still to be copied is taken along then.
    if (node >= cursor && node < end) into.book.detach(label);
    else into.put(label, unit);
  }

  has(label: number): boolean {
    return this.#held.book.nodeOf(label) !== undefined;
  }

  remove(label: number): void {
    this.#held.book.detach(label);
    this.#compaction?.into.book.detach(label);
  }

  search(vector: Float32Array, limit: number, filter?: VectorFilter): VectorHit[] {
    if (!Number.isInteger(limit) || limit < 1 || limit > SEARCH_LIMIT_MAX) {
      throw new RangeError(`the limit of a search is an integer from 1 to ${SEARCH_LIMIT_MAX}, not ${limit}`);
    }
    const unit = this.#unitOf(vector);
    if (unit === undefined) return [];
    this.#counts.searches += 1;
    const { candidates } = filter ?? {};
    if (candidates !== undefined && candidates.count <= CANDIDATES_MAX) {
      this.#counts.byCandidates += 1;
      return this.#compare(unit, limit, candidates.vectors());
    }
    const { nodes, book } = this.#held;
    const accepts = filter && ((label: number) => filter.accepts(label));
    const acceptsNode = accepts
      ? (node: number) => book.hasAccepted(node, accepts)
      : book.dead > 0
        ? (node: number) => book.isLive(node)
        : undefined;
    const { found, how } = nodes.nearest(unit, limit, acceptsNode);
    if (how === 'exhaustive') this.#counts.exhaustive += 1;
    if (how === 'walk') this.#counts.filteredWalks += 1;
    return this.#labelled(found, limit, accepts);
  }

  #compare(unit: Float32Array, limit: number, vectors: Iterable<readonly [number, Float32Array]>): VectorHit[] {
    const nearest = new Nearest(limit);
    for (const [label, vector] of vectors) {
      const other = this.has(label) ? this.#unitOf(vector) : undefined;
      if (other !== undefined) nearest.offer(label, clampCosine(dot(unit, other)));
    }
    return nearest.found.map(({ id, similarity }) => ({ label: id, similarity }));
  }

  #labelled(found: Nearest['found'], limit: number, accepts = (_label: number) => true): VectorHit[] {
    const hits: VectorHit[] = [];
    for (const { id, similarity } of found) {
      for (const label of this.#held.book.labelsOf(id)) {
        if (hits.length === limit) return hits;
        if (accepts(label)) hits.push({ label, similarity });
      }
    }
    return hits;
  }

  #unitOf(vector: Float32Array): Float32Array | undefined {
    if (vector.length === this.dimensions) return unitOf(vector);
    throw new RangeError(`the vector has ${vector.length} dimensions, the index ${this.dimensions}`);
  }

  compact(): void {
    this.#mustCompact = this.#held.book.dead > 0;
  }

  step(budgetMs: number): boolean {
    const until = performance.now() + budgetMs;
    do {
      if (this.#held.nodes.settle()) continue;
      if (!this.#compactOne()) return false;
    } while (performance.now() < until);
    return true;
  }

  /** Copies one node into the next ones, which take the place of these after the last. Says whether there was anything to do. */
  #compactOne(): boolean {
    const { nodes, book } = this.#held;
    if (this.#compaction === undefined) {
      const isDue = book.dead >= DEAD_MIN && book.dead >= book.nodes * DEAD_SHARE;
      if (!isDue && !this.#mustCompact) return false;
      this.#mustCompact = false;
      this.#compaction = { into: new LabelledNodes(this.#parts.newNodes()), cursor: 0, end: nodes.count };
    }
    const { into, cursor, end } = this.#compaction;
    if (cursor === end) {
      this.#finishCompaction(into);
      return true;
    }
    if (book.isLive(cursor)) {
      into.putAll(book.labelsOf(cursor), nodes.vectorOf(cursor));
    }
    this.#compaction.cursor += 1;
    return true;
  }

  #finishCompaction(into: LabelledNodes): void {
    const { nodes } = this.#held;
    this.#held = into;
    this.#compaction = undefined;
    this.#counts.compactions += 1;
    // A thread may be writing them.
    const free = (): void => nodes.free();
    if (this.#saving === undefined) free();
    else void this.#saving.then(free, free);
  }

  async save(tag: SnapshotTag): Promise<void> {
    if (this.#saving !== undefined) throw new Error('a snapshot is being written already; await it first');
    this.#saving = this.#write(tag);
    try {
      await this.#saving;
    } finally {
      this.#saving = undefined;
    }
  }

  async #write(tag: SnapshotTag): Promise<void> {
    while (this.#held.nodes.waiting > 0) {
      const until = performance.now() + SETTLE_MS;
      while (this.#held.nodes.settle() && performance.now() < until);
      await setImmediate();
    }
    const { nodes, book } = this.#held;
    const contents = { kind: nodes.kind, embedder: this.#parts.embedder, dimensions: this.dimensions, tag };
    await this.#parts.snapshots.write(contents, book.pages(), (path) => nodes.write(path));
  }

  async close(): Promise<void> {
    await this.#saving?.catch(() => {}); // told to who asked for it
    this.#held.nodes.free();
    this.#compaction?.into.nodes.free();
    this.#compaction = undefined;
  }
}
