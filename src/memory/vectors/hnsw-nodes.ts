/**
 * A graph of hnswlib, the only place that calls it. What it must not be asked, by its source (hnswalg.h of hnswlib-node 3.0.0):
 *
 * - to delete, to replace or to reuse a place. After `markDelete`, `mutuallyConnectNewElement` takes the last of an empty list
 *   where all neighbours of a new node are deleted, which is memory of something else; `updatePoint` leaves nodes that no
 *   other leads to (nmslib/hnswlib issues 189, 487, 522, 541). So it is only appended to, and its labels are 0, 1, 2, …
 * - to hold the same vector many times: they link to each other only, and what lies beyond is not found (5,000 times the
 *   same among 6,000 others: half of those are lost). Who appends looks for that first.
 * - to read a file that may be damaged: it believes every length in it. Who reads compares a checksum first.
 * - `writeIndex` or `readIndex`, which work in a thread of libuv: where a worker is terminated, or the process ends, before such a
 *   one is done, its promise cannot be told and the binding aborts the whole process. The synchronous ones hold up the memory
 *   thread instead, some 2 ms for 1,000 vectors of 384 dimensions.
 */
import { open } from 'node:fs/promises';
import type { HierarchicalNSW } from 'hnswlib-node';
import { Nearest } from './nearest.ts';
import { clampCosine, dot } from './unit-vector.ts';
import type { NearestNodes, VectorNodes } from './vector-nodes.ts';

/**
 * Of 30,000 vectors about 30 topics (384 dimensions; the more of one topic, the harder), recall@10 with EF_SEARCH 50, 100, 150 and
 * EF_CONSTRUCTION 100: 0.918, 0.979, 0.994 with M 12; 0.952, 0.991, 0.997 with 16; 0.971, 0.999, 1.000 with 24, which takes 64 bytes
 * more a vector. Vectors of real sentences have outliers that hardly anything leads to: of the questions of `npm run bench -- recall`
 * those in other languages were found by 67 % with 100 and 150, by 83 % with 200 and 400 (by an exact search 92 %); a larger M
 * found no more. It costs half as much again for an insert, and a search takes 1 ms instead of 0.4.
 */
const M = 16;
const EF_CONSTRUCTION = 200;
const EF_SEARCH = 400;
const SEED = 100;

/** Room at first, and by what it grows. Room that is not used costs 46 bytes a vector: the rest is not touched. */
const ROOM_FIRST = 1_024;
const GROWTH = 1.5;

/** With a filter, how many more are asked for from one try to the next, and the most: a try with it takes some 3 ms. */
const FURTHER = 4;
const FURTHEST = 1_024;
/** Up to so many accepted nodes are compared one by one, 33 µs each: getPoint makes a JavaScript number of every element. */
const EXHAUSTIVE_MAX = 500;

type Library = { HierarchicalNSW: typeof HierarchicalNSW };

/** The library, or why it cannot be loaded: it is compiled when Dhaavak is installed, which needs a compiler. */
export async function loadHnsw(): Promise<Library | Error> {
  try {
    return (await import('hnswlib-node')).default;
  } catch (error) {
    return error as Error;
  }
}

export class HnswNodes implements VectorNodes {
  readonly kind = 'hnsw';
  readonly #graph: HierarchicalNSW;
  /** addPoint and searchKnn take plain arrays only; this one is filled again and again. */
  readonly #plain: number[];
  count: number;

  private constructor(graph: HierarchicalNSW, dimensions: number) {
    this.#graph = graph;
    this.#graph.setEf(EF_SEARCH);
    this.count = graph.getCurrentCount();
    this.#plain = new Array(dimensions).fill(0);
  }

  static create({ HierarchicalNSW }: Library, dimensions: number): HnswNodes {
    const graph = new HierarchicalNSW('ip', dimensions);
    graph.initIndex(ROOM_FIRST, M, EF_CONSTRUCTION, SEED);
    return new HnswNodes(graph, dimensions);
  }

  /** From a file that `write` made, whose checksum was compared. */
  static read({ HierarchicalNSW }: Library, path: string, dimensions: number): HnswNodes {
    const graph = new HierarchicalNSW('ip', dimensions);
    graph.readIndexSync(path);
    return new HnswNodes(graph, dimensions);
  }

  append(unit: Float32Array): void {
    const room = this.#graph.getMaxElements();
    if (this.count >= room) this.#graph.resizeIndex(Math.ceil(Math.max(room, ROOM_FIRST) * GROWTH));
    this.#graph.addPoint(this.#asPlain(unit), this.count);
    this.count += 1;
  }

  vectorOf(node: number): Float32Array {
    return Float32Array.from(this.#graph.getPoint(node));
  }

  nearest(unit: Float32Array, limit: number, accepts?: (node: number) => boolean): NearestNodes {
    const nearest = new Nearest(limit);
    const how = this.#look(unit, limit, nearest, accepts);
    return { found: nearest.found, how };
  }

  #look(unit: Float32Array, limit: number, nearest: Nearest, accepts = all): NearestNodes['how'] {
    const furthest = Math.min(this.count, Math.max(FURTHEST, limit));
    let asked = Math.min(furthest, accepts === all ? limit : Math.max(EF_SEARCH, limit));
    while (asked > 0) {
      const met = this.#search(unit, asked);
      const accepted = met.filter(([node]) => accepts(node));
      const isAll = asked === this.count && met.length === asked;
      if (accepted.length >= limit || isAll) {
        for (const [node, similarity] of accepted) nearest.offer(node, similarity);
        return 'graph';
      }
      if (asked === furthest) return this.#despiteFilter(unit, limit, nearest, accepts);
      asked = Math.min(furthest, asked * FURTHER);
    }
    return 'graph';
  }

  /** Where what is nearest is not what is accepted. */
  #despiteFilter(unit: Float32Array, limit: number, nearest: Nearest, accepts: typeof all): 'exhaustive' | 'walk' {
    const accepted: number[] = [];
    for (let node = 0; node < this.count && accepted.length <= EXHAUSTIVE_MAX; node++) {
      if (accepts(node)) accepted.push(node);
    }
    if (accepted.length <= EXHAUSTIVE_MAX) {
      for (const node of accepted) nearest.offer(node, clampCosine(dot(unit, this.vectorOf(node))));
      return 'exhaustive';
    }
    for (const [node, similarity] of this.#search(unit, limit, accepts)) nearest.offer(node, similarity);
    return 'walk';
  }

  /** With a filter it goes on until it has met enough that are accepted: half a microsecond for each node. */
  #search(
    unit: Float32Array,
    limit: number,
    accepts?: (node: number) => boolean,
  ): [node: number, similarity: number][] {
    const guarded = accepts && new Guarded(accepts);
    const { neighbors, distances } = this.#graph.searchKnn(this.#asPlain(unit), limit, guarded?.call);
    guarded?.rethrow();
    return neighbors.map((node, i) => [node, clampCosine(1 - (distances[i] as number))]);
  }

  #asPlain(unit: Float32Array): number[] {
    for (let i = 0; i < unit.length; i++) this.#plain[i] = unit[i] as number;
    return this.#plain;
  }

  async write(path: string): Promise<void> {
    this.#graph.writeIndexSync(path);
    await checkWhole(path);
  }

  free(): void {
    this.count = 0;
    this.#graph.initIndex(1, M, EF_CONSTRUCTION, SEED);
  }
}

/** A filter from which nothing is thrown into native code, which is not made for it. */
class Guarded {
  #thrown: { error: unknown } | undefined;
  readonly call: (node: number) => boolean;

  constructor(accepts: (node: number) => boolean) {
    this.call = (node) => {
      try {
        return this.#thrown === undefined && accepts(node);
      } catch (error) {
        this.#thrown = { error };
        return false;
      }
    };
  }

  rethrow(): void {
    if (this.#thrown !== undefined) throw this.#thrown.error;
  }
}

function all(_node: number): boolean {
  return true;
}

/** Bytes before the nodes; at 16 and 24 in them, the number of nodes and the bytes of each. */
const HEADER_BYTES = 96;

/** hnswlib does not notice that the disk is full. Throws where the file is not as long as what it begins with says. */
async function checkWhole(path: string): Promise<void> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const header = Buffer.alloc(HEADER_BYTES);
    await file.read(header, 0, HEADER_BYTES, 0);
    const count = Number(header.readBigUInt64LE(16));
    const upperLinks = HEADER_BYTES + count * Number(header.readBigUInt64LE(24));
    const tail = Buffer.alloc(Math.max(0, size - upperLinks));
    await file.read(tail, 0, tail.length, upperLinks);
    let at = 0;
    for (let node = 0; node < count && at + 4 <= tail.length; node++) at += 4 + tail.readUInt32LE(at);
    if (size < upperLinks + count * 4 || at !== tail.length) throw new Error(`${path} could not be written to its end`);
  } finally {
    await file.close();
  }
}
