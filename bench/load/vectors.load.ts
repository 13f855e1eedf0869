/**
 * The vector index of the memory, in a worker, asked by this thread: 100,000 vectors of 384 dimensions about 100 topics (the
 * centres point in all directions; noise 0.6 times as long as a centre, so that two of one topic have a cosine of about 0.74;
 * from a seed). Queries are further vectors about the same topics. Baselines in the same run: comparing with all, for what is
 * found; hnswlib-node used directly, over the same graph with the same parameters, for what our layer costs.
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import * as comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { BenchReport } from '../report.ts';
import { residentMb } from './process-stats.ts';
import type { Inserted, SearchKind, VectorsWorker } from './vectors-worker.ts';

const COUNT = 100_000;
/** Those added while searches go on. */
const LAST = 20_000;
/** Rounds of further inserts by us and by the library in turns, with the same searches, to compare: a noisy machine is so to both. */
const ROUNDS = 6;
const ROUND = 1_000;
const DIMENSIONS = 384;
const SEARCHES_PER_SECOND = 100;
const QUERIES = 1_000;
/** Queries compared with all, 50 ms each. */
const EXACT = 200;
const COMPACTING_S = 3;

export async function run(): Promise<BenchReport> {
  const home = await mkdtemp(join(tmpdir(), 'dhaavak-bench-'));
  const thread = startThread();
  try {
    return await measure(thread.api, home);
  } finally {
    await thread.worker.terminate();
    await rm(home, { recursive: true, force: true });
  }
}

type Thread = comlink.Remote<VectorsWorker>;

function startThread(): { worker: Worker; api: Thread } {
  const worker = new Worker(new URL('./vectors-worker.ts', import.meta.url), { execArgv: ['--no-warnings'] });
  return { worker, api: comlink.wrap<VectorsWorker>(nodeEndpoint(worker)) };
}

async function measure(thread: Thread, home: string): Promise<BenchReport> {
  const options = { folder: join(home, 'index'), dimensions: DIMENSIONS, embedder: 'bench' };
  const queries = await thread.prepare(options, COUNT + 2 * ROUNDS * ROUND, QUERIES);
  const before = residentMb(process.pid);
  const first = await thread.insert(1, COUNT - LAST);
  const quiet = await loopDelay(() => sleep(2_000));
  const busy = await whileInserting(thread, 'ours', queries, () => thread.insert(COUNT - LAST + 1, COUNT));
  const bytes = ((residentMb(process.pid) - before) * 1e6) / COUNT;
  const alone = await searches(thread, 'ours', queries);
  const exact = await searches(thread, 'all', queries.slice(0, EXACT));
  const found = recall(alone.labels, exact.labels);
  const few = await searches(thread, 'few', queries);
  const broad = await searches(thread, 'broad', queries);
  const elsewhere = await searches(thread, 'elsewhere', queries.slice(0, EXACT));

  const saved = await thread.save();
  const opened = await afterRestart(options);
  const rawBefore = residentMb(process.pid);
  await thread.openRaw(join(options.folder, await nodesFile(options.folder)));
  const rawBytes = ((residentMb(process.pid) - rawBefore) * 1e6) / COUNT;
  const resizeMs = await thread.resizeRaw();
  const raw = await searches(thread, 'raw', queries);
  const { ours: ourBusy, raw: rawBusy } = await inTurns(thread, queries);
  const compaction = await thread.compact(COMPACTING_S);

  const rawRecall = recall(raw.labels, exact.labels);
  return {
    name: `vectors, ${COUNT.toLocaleString('en')} × ${DIMENSIONS}`,
    rows: [
      { label: 'comparing with all: p50', value: quantile(exact.ms, 0.5), unit: 'ms', ratio: 1 },
      {
        label: 'search, nothing else going on: p50 on its thread',
        value: quantile(alone.ms, 0.5),
        unit: 'ms',
        ratio: quantile(alone.ms, 0.5) / quantile(exact.ms, 0.5),
      },
      { label: 'hnswlib-node directly, the same: p50', value: quantile(raw.ms, 0.5), unit: 'ms', ratio: 1 },
      {
        label: 'search through our layer against that: p50',
        value: quantile(alone.ms, 0.5),
        unit: 'ms',
        ratio: quantile(alone.ms, 0.5) / quantile(raw.ms, 0.5),
      },
      { label: 'the same: p99 of its processor time', value: quantile(alone.threadMs, 0.99), unit: 'ms', aim: '≤ 10' },
      { label: 'search, asked from another thread: p50', value: quantile(alone.roundTripMs, 0.5), unit: 'ms' },
      { label: 'the same: p99', value: quantile(alone.roundTripMs, 0.99), unit: 'ms', aim: '≤ 10' },
      { label: `${SEARCHES_PER_SECOND} searches/s while inserting at full speed: p50`, value: busy.p50, unit: 'ms' },
      { label: 'the same: p99', value: busy.p99, unit: 'ms', aim: '≤ 10' },
      { label: "the asking thread's event loop late meanwhile: p99", value: busy.delay.p99, unit: 'ms', aim: '≤ 10' },
      { label: 'the same with nothing going on', value: quiet.p99, unit: 'ms' },
      { label: 'recall@10', value: found, unit: '', aim: '≥ 0.95' },
      { label: 'hnswlib-node directly: recall@10', value: rawRecall, unit: '' },
      { label: 'with 300 candidates, compared: p50', value: quantile(few.ms, 0.5), unit: 'ms' },
      { label: 'with a filter that accepts a third: p50', value: quantile(broad.ms, 0.5), unit: 'ms' },
      { label: 'with one that accepts 100 that lie elsewhere: p50', value: quantile(elsewhere.ms, 0.5), unit: 'ms' },
      {
        label: `inserts, the first ${(COUNT - LAST).toLocaleString('en')}`,
        value: (COUNT - LAST) / (first.ms / 1_000),
        unit: 'vectors/s',
      },
      { label: 'inserts while 100 searches/s go on', value: LAST / (busy.ms / 1_000), unit: 'vectors/s' },
      {
        label: `hnswlib-node directly: processor time of an insert over ${COUNT.toLocaleString('en')}`,
        value: rawBusy.threadMs / (ROUNDS * ROUND),
        unit: 'ms',
        ratio: 1,
      },
      {
        label: 'the same through our layer',
        value: ourBusy.threadMs / (ROUNDS * ROUND),
        unit: 'ms',
        ratio: ourBusy.threadMs / rawBusy.threadMs,
      },
      { label: 'hnswlib-node directly: searches meanwhile, p99', value: rawBusy.p99, unit: 'ms', ratio: 1 },
      { label: 'the same through our layer', value: ourBusy.p99, unit: 'ms', ratio: ourBusy.p99 / rawBusy.p99 },
      {
        label: 'longest slice of inserts (3 ms are meant), processor time',
        value: Math.max(first.longestMs, busy.longestMs),
        unit: 'ms',
      },
      { label: 'growth of the graph by half holds up for', value: resizeMs, unit: 'ms' },
      { label: 'hnswlib-node directly: resident memory of a vector', value: rawBytes, unit: 'bytes', ratio: 1 },
      { label: 'resident memory of a vector', value: bytes, unit: 'bytes', ratio: bytes / rawBytes },
      { label: 'snapshot written', value: saved.ms, unit: 'ms' },
      { label: 'longest its thread was held up by that', value: saved.heldUpMs, unit: 'ms' },
      { label: 'snapshot opened by a new thread', value: opened.ms, unit: 'ms', aim: '≤ 1,000' },
      {
        label: 'compaction: longest step (3 ms are meant), processor time',
        value: compaction.longestMs,
        unit: 'ms',
        aim: '≤ 5',
      },
    ],
  };
}

interface Searches {
  /** Sorted. */
  ms: number[];
  /** Sorted; processor time. */
  threadMs: number[];
  /** Sorted; from asking to the answer. */
  roundTripMs: number[];
  labels: number[][];
}

/** One after the other. */
async function searches(thread: Thread, kind: SearchKind, queries: readonly Float32Array[]): Promise<Searches> {
  const result: Searches = { ms: [], threadMs: [], roundTripMs: [], labels: [] };
  for (const query of queries) {
    const startedAt = performance.now();
    const { labels, ms, threadMs } = await thread.search(kind, query);
    result.roundTripMs.push(performance.now() - startedAt);
    result.ms.push(ms);
    result.threadMs.push(threadMs);
    result.labels.push(labels);
  }
  result.ms.sort((a, b) => a - b);
  result.threadMs.sort((a, b) => a - b);
  result.roundTripMs.sort((a, b) => a - b);
  return result;
}

/** Rounds of inserts by us and by the library, with searches by each meanwhile. */
async function inTurns(thread: Thread, queries: readonly Float32Array[]) {
  const sums = { ours: { threadMs: 0, times: [] as number[] }, raw: { threadMs: 0, times: [] as number[] } };
  let first = COUNT + 1;
  for (let turn = 0; turn < 2 * ROUNDS; turn++) {
    // ours, raw, raw, ours, ours, …
    const kind = ((turn + 1) >> 1) % 2 === 0 ? 'ours' : 'raw';
    const range = [first, first + ROUND - 1] as const;
    const insert = () => (kind === 'ours' ? thread.insert(...range) : thread.insertRaw(...range));
    const { threadMs, times } = await whileInserting(thread, kind, queries, insert);
    sums[kind].threadMs += threadMs;
    sums[kind].times.push(...times);
    first += ROUND;
  }
  const { ours, raw } = sums;
  for (const { times } of [ours, raw]) times.sort((a, b) => a - b);
  return { ours: { ...ours, p99: quantile(ours.times, 0.99) }, raw: { ...raw, p99: quantile(raw.times, 0.99) } };
}

/** Asks at a steady rate, whether answered or not, until the last vectors are in. Times are from when it was asked. */
async function whileInserting(
  thread: Thread,
  kind: SearchKind,
  queries: readonly Float32Array[],
  insert: () => Promise<Inserted>,
) {
  const times: number[] = [];
  let inserted: Inserted | undefined;
  const delay = await loopDelay(async () => {
    const inserting = insert().then((result) => {
      inserted = result;
    });
    const asked: Promise<void>[] = [];
    const startedAt = performance.now();
    for (let n = 0; inserted === undefined; n++) {
      const dueAt = startedAt + (n * 1_000) / SEARCHES_PER_SECOND;
      await sleep(Math.max(0, dueAt - performance.now()));
      const query = queries[n % queries.length] as Float32Array;
      const askedAt = performance.now();
      asked.push(
        thread.search(kind, query).then(() => {
          times.push(performance.now() - askedAt);
        }),
      );
    }
    await Promise.all([inserting, ...asked]);
  });
  times.sort((a, b) => a - b);
  return {
    ...(inserted as NonNullable<typeof inserted>),
    times,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    delay,
  };
}

async function loopDelay(work: () => Promise<unknown>): Promise<{ p99: number }> {
  const resolution = 1;
  const delay = monitorEventLoopDelay({ resolution });
  delay.enable();
  await work();
  delay.disable();
  return { p99: delay.percentile(99) / 1e6 - resolution };
}

/** In a thread that has loaded nothing yet. */
async function afterRestart(options: Parameters<VectorsWorker['open']>[0]): Promise<{ ms: number }> {
  const { worker, api } = startThread();
  try {
    const opened = await api.open(options);
    if (opened.size !== COUNT) throw new Error(`the snapshot has ${opened.size} vectors`);
    return opened;
  } finally {
    await worker.terminate();
  }
}

async function nodesFile(folder: string): Promise<string> {
  return (await readdir(folder)).find((name) => name.endsWith('.nodes')) as string;
}

/** The share of the nearest that are among what was found; `exact` is of the first queries. */
function recall(found: readonly number[][], exact: readonly number[][]): number {
  const shares = exact.map((labels, i) => labels.filter((label) => found[i]?.includes(label)).length / labels.length);
  return shares.reduce((sum, share) => sum + share, 0) / exact.length;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.ceil(sorted.length * share) - 1] as number;
}
