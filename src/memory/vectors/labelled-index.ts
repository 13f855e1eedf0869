import { LabelledNodes } from './labelled-nodes.ts';
import { Nearest } from './nearest.ts';
import type { Snapshots } from './snapshots.ts';
import { cosineOf, unitOf } from './unit-vector.ts';
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
  /** For every addition the same: the memory of typed arrays is collected late. */
  readonly #unit: Float32Array;
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
    this.#unit = new Float32Array(parts.dimensions);
  }

  get kind(): VectorIndex['kind'] {
    return this.#held.nodes.kind;
  }

  get size(): number {
    return this.#held.book.labels;
  }

  get stats(): VectorStats {
    return { ...this.#counts, dead: this.#held.book.dead, compacting: this.#compaction !== undefined };
  }

  add(label: number, vector: Float32Array): void {
    if (!Number.isInteger(label) || label < 1 || label > LABEL_MAX) {
      throw new RangeError(`a label is an integer from 1 to ${LABEL_MAX}, not ${label}`);
    }
    this.#checkDimensions(vector);
    const unit = unitOf(vector, this.#unit);
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
    this.#checkDimensions(vector);
    const unit = unitOf(vector);
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
      if (!this.has(label)) continue;
      this.#checkDimensions(vector);
      const similarity = cosineOf(unit, vector);
      if (similarity !== undefined) nearest.offer(label, similarity);
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

  #checkDimensions({ length }: Float32Array): void {
    if (length === this.dimensions) return;
    throw new RangeError(`the vector has ${length} dimensions, the index ${this.dimensions}`);
  }

  compact(): void {
    this.#mustCompact = true;
  }

  step(budgetMs: number): boolean {
    const until = performance.now() + budgetMs;
    do {
      if (!this.#compactOne()) return false;
    } while (performance.now() < until);
    return true;
  }

  /** Copies one node into the next ones, which take the place of these after the last. Says whether there was anything to do. */
  #compactOne(): boolean {
    const { nodes, book } = this.#held;
    if (this.#compaction === undefined) {
      const isDue = book.dead >= DEAD_MIN && book.dead >= book.nodes * DEAD_SHARE;
      const isWanted = this.#mustCompact && book.dead > 0;
      this.#mustCompact = false;
      if (!isDue && !isWanted) return false;
      this.#compaction = { into: new LabelledNodes(this.#parts.newNodes()), cursor: 0, end: nodes.count };
    }
    const { into, cursor, end } = this.#compaction;
    if (cursor === end) {
      nodes.free();
      this.#held = into;
      this.#compaction = undefined;
      this.#counts.compactions += 1;
      return true;
    }
    if (book.isLive(cursor)) {
      into.putAll(book.labelsOf(cursor), nodes.vectorOf(cursor));
    }
    this.#compaction.cursor += 1;
    return true;
  }

  async save(tag: SnapshotTag): Promise<void> {
    if (this.#saving !== undefined) throw new Error('a snapshot is being written already; await it first');
    const { nodes, book } = this.#held;
    const contents = { kind: nodes.kind, embedder: this.#parts.embedder, dimensions: this.dimensions, tag };
    this.#saving = this.#parts.snapshots.write(contents, book.pages(), (path) => nodes.write(path));
    try {
      await this.#saving;
    } finally {
      this.#saving = undefined;
    }
  }

  async close(): Promise<void> {
    await this.#saving?.catch(() => {}); // told to who asked for it
    this.#held.nodes.free();
    this.#compaction?.into.nodes.free();
    this.#compaction = undefined;
  }
}
