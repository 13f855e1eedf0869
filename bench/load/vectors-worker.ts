/** The memory thread of the bench `vectors`: an index of ours, hnswlib-node used directly, and a list to compare with. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import * as comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import hnswlib from 'hnswlib-node';
import { createVectorIndex, openVectorIndex } from '../../src/memory/vectors/open.ts';
import { dot, unitOf } from '../../src/memory/vectors/unit-vector.ts';
import type { VectorFilter, VectorIndex, VectorIndexOptions } from '../../src/memory/vectors/vector-index.ts';
import { clustered } from '../../test/support/vectors.ts';

/** Processor time of this thread: what others on the machine do is not in it. */
function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** Milliseconds of work after which others have their turn. */
const SLICE_MS = 3;
const TOPICS = 100;
const LIMIT = 10;
const EF_SEARCH = 150;

export type SearchKind = 'ours' | 'raw' | 'all' | 'few' | 'broad' | 'elsewhere';

let index: VectorIndex;
let raw: InstanceType<typeof hnswlib.HierarchicalNSW>;
let dimensions: number;
/** All in one: what they take is there before anything is measured. */
let data: Float32Array;

const vectorOf = (label: number): Float32Array => data.subarray((label - 1) * dimensions, label * dimensions);

/** One label in `every`: 300 of 100,000, a third; and some that lie elsewhere than what is asked for. */
const FILTERS: Partial<Record<SearchKind, () => VectorFilter>> = {
  few: () => {
    const labels = Array.from({ length: 300 }, (_, i) => 1 + i * 300);
    const chosen = new Set(labels);
    const vectors = () => labels.map((label) => [label, vectorOf(label)] as const);
    return { accepts: (label) => chosen.has(label), candidates: { count: labels.length, vectors } };
  },
  broad: () => ({ accepts: (label) => label % 3 === 0 }),
  elsewhere: () => ({ accepts: (label) => label % 1_000 === 0 }),
};

const api = {
  /** Makes `count` vectors, and queries about the same topics, which are returned. */
  async prepare(options: VectorIndexOptions, count: number, queries: number): Promise<Float32Array[]> {
    dimensions = options.dimensions;
    const next = clustered(1, dimensions, TOPICS);
    data = new Float32Array(count * dimensions);
    for (let label = 1; label <= count; label++) vectorOf(label).set(unitOf(next()) as Float32Array);
    index = await createVectorIndex(options);
    return Array.from({ length: queries }, next);
  },

  /** Adds as fast as it can, in slices. */
  insert(first: number, last: number): Promise<Inserted> {
    return inSlices(first, last, (label) => index.add(label, vectorOf(label)));
  },

  insertRaw(first: number, last: number): Promise<Inserted> {
    return inSlices(first, last, (label) => raw.addPoint(Array.from(vectorOf(label)), label - 1));
  },

  /** Returns the labels, how long it took on this thread, and the processor time of that. */
  search(kind: SearchKind, query: Float32Array): { labels: number[]; ms: number; threadMs: number } {
    const filter = FILTERS[kind]?.();
    const [startedAt, before] = [performance.now(), threadMs()];
    let labels: number[];
    if (kind === 'raw') {
      labels = raw.searchKnn(Array.from(unitOf(query) as Float32Array), LIMIT).neighbors.map((node) => node + 1);
    } else if (kind === 'all') labels = nearestOfAll(unitOf(query) as Float32Array);
    else labels = index.search(query, LIMIT, filter).map(({ label }) => label);
    return { labels, ms: performance.now() - startedAt, threadMs: threadMs() - before };
  },

  /** Returns how long it took, and the longest that the thread was held up meanwhile. */
  async save(): Promise<{ ms: number; heldUpMs: number }> {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await sleep(20); // what is late is told by comparing with the time before
    const startedAt = performance.now();
    await index.save({ generation: 1, position: index.size });
    const ms = performance.now() - startedAt;
    await sleep(20);
    delay.disable();
    return { ms, heldUpMs: delay.max / 1e6 };
  },

  /** Opens the snapshot, as after a restart; the file is in the page cache. */
  async open(options: VectorIndexOptions): Promise<{ ms: number; size: number }> {
    const startedAt = performance.now();
    const opened = await openVectorIndex(options);
    if (!('index' in opened)) throw new Error(opened.message);
    return { ms: performance.now() - startedAt, size: opened.index.size };
  },

  /** The same graph without our layer. */
  openRaw(path: string): void {
    raw = new hnswlib.HierarchicalNSW('ip', dimensions);
    raw.readIndexSync(path);
    raw.setEf(EF_SEARCH);
  },

  /** How long a growth by half holds up the thread. */
  resizeRaw(): number {
    const startedAt = performance.now();
    raw.resizeIndex(Math.ceil(raw.getMaxElements() * 1.5));
    return performance.now() - startedAt;
  },

  /** Removes every third and compacts for some seconds; returns the longest step, in processor time. */
  async compact(seconds: number): Promise<{ longestMs: number }> {
    const { size } = index;
    for (let label = 3; label <= size; label += 3) index.remove(label);
    const until = performance.now() + seconds * 1_000;
    let longestMs = 0;
    while (performance.now() < until) {
      const before = threadMs();
      if (!index.step(SLICE_MS)) break;
      longestMs = Math.max(longestMs, threadMs() - before);
      await setImmediate();
    }
    return { longestMs };
  },
};
export type VectorsWorker = typeof api;

export interface Inserted {
  ms: number;
  /** Processor time of all slices, and of the longest. */
  threadMs: number;
  longestMs: number;
}

async function inSlices(first: number, last: number, add: (label: number) => void): Promise<Inserted> {
  const startedAt = performance.now();
  let [totalMs, longestMs] = [0, 0];
  for (let label = first; label <= last; ) {
    const [sliceAt, before] = [performance.now(), threadMs()];
    while (label <= last && performance.now() - sliceAt < SLICE_MS) add(label++);
    const sliceMs = threadMs() - before;
    totalMs += sliceMs;
    longestMs = Math.max(longestMs, sliceMs);
    await setImmediate();
  }
  return { ms: performance.now() - startedAt, threadMs: totalMs, longestMs };
}

function nearestOfAll(unit: Float32Array): number[] {
  const best: [label: number, similarity: number][] = [];
  for (let label = 1; label <= index.size; label++) {
    const similarity = dot(unit, vectorOf(label));
    if (best.length === LIMIT && similarity <= (best.at(-1)?.[1] ?? 0)) continue;
    best.push([label, similarity]);
    best.sort((a, b) => b[1] - a[1]);
    if (best.length > LIMIT) best.pop();
  }
  return best.map(([label]) => label);
}

if (parentPort === null) throw new Error('this is the worker of the bench vectors; run: npm run bench -- vectors');
comlink.expose(api, nodeEndpoint(parentPort));
