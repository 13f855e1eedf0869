/**
 * How well questions find what answers them, on the set of `test/support/recall-set.ts`: by words alone (the built-in backend without
 * an embedder: SQLite's FTS5, BM25), by the vectors of the offline embedder and of what it might have been instead, and by both
 * together, as the backend searches.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { RESULTS_MAX } from '../../src/memory/backend.ts';
import { createEmbedder } from '../../src/memory/embedders/create.ts';
import type { Embedder } from '../../src/memory/embedders/embedder.ts';
import { OfflineEmbedder } from '../../src/memory/embedders/offline.ts';
import { encodeWordTable, WordTable } from '../../src/memory/embedders/word-table.ts';
import { localBackend } from '../../test/support/local-backend.ts';
import { entryOf, find, said, Texts, take } from '../../test/support/memory-entries.ts';
import { cosine, recallOf, reciprocalRankOf } from '../../test/support/recall-measure.ts';
import { type QuestionKind, type RecallSet, recallSet } from '../../test/support/recall-set.ts';
import type { BenchReport, BenchRow } from '../report.ts';

/** The first numbers of the offline embedder's vectors say what is meant, the others how it is written. */
const MEANT_DIMENSIONS = 80;
const KINDS: readonly [QuestionKind, string][] = [
  ['meaning', 'other words'],
  ['exact', 'names and numbers'],
  ['both', 'both at once'],
  ['foreign', 'other languages'],
];

/** Entries for each question, best first. */
type Results = readonly (readonly number[])[];

const never = new AbortController().signal;

export async function run(): Promise<BenchReport> {
  const set = recallSet();
  const before = process.memoryUsage().rss;
  const offline = await createEmbedder({ provider: 'offline' }, {}, never);
  const resident = process.memoryUsage().rss - before;
  const vectors = await vectorsOf(offline, set);
  const byVectors = nearest(vectors);
  const byWords = await searched(set, undefined);
  const byBoth = await searched(set, offline);

  const baseline = measure(set, byWords).recall;
  const rows = [
    ...detailed('words', set, byWords, baseline),
    ...detailed('offline embedder', set, byVectors, baseline),
    ...detailed('both', set, byBoth, baseline),
    ...brief('instead: meaning alone', set, nearest(halves(vectors).meant), baseline),
    ...brief('instead: hashing alone', set, nearest(await vectorsOf(hashing(), set)), baseline),
    ...brief('instead: half meaning, half hashing', set, nearest(await evenHalves(vectors, set)), baseline),
    ...(await speed(offline)),
    { label: 'resident memory of the table', value: resident / 2 ** 20, unit: 'MB' },
  ];
  const { entries, questions } = set;
  return { name: `recall: ${questions.length} questions, ${entries.length.toLocaleString('en')} entries`, rows };
}

interface Vectors {
  entries: readonly Float32Array[];
  questions: readonly Float32Array[];
}

async function vectorsOf(embedder: Embedder, { entries, questions }: RecallSet): Promise<Vectors> {
  const asked = questions.map(({ text }) => text);
  return { entries: await embedder.embed(entries, never), questions: await embedder.embed(asked, never) };
}

/** The offline embedder that knows no word. */
function hashing(): Embedder {
  return new OfflineEmbedder(new WordTable(encodeWordTable([], 0)), {});
}

/** Only what is meant; a text of which nothing is known is like no other. */
function halves({ entries, questions }: Vectors): { meant: Vectors } {
  const meant = (vector: Float32Array) => unit(vector.slice(0, MEANT_DIMENSIONS));
  return { meant: { entries: entries.map(meant), questions: questions.map(meant) } };
}

async function evenHalves(vectors: Vectors, set: RecallSet): Promise<Vectors> {
  const { meant } = halves(vectors);
  const written = await vectorsOf(hashing(), set);
  const join = (a: Float32Array, b: Float32Array) => unit(Float32Array.from([...a, ...b]));
  return {
    entries: meant.entries.map((vector, i) => join(vector, written.entries[i]!)),
    questions: meant.questions.map((vector, i) => join(vector, written.questions[i]!)),
  };
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(cosine(vector, vector));
  return length === 0 ? vector : vector.map((number) => number / length);
}

/** Every entry is compared: what an index over the vectors loses is not in this. */
function nearest({ entries, questions }: Vectors): Results {
  return questions.map((question) => {
    const scores = entries.map((vector) => cosine(vector, question));
    const order = scores.map((_, entry) => entry).sort((a, b) => scores[b]! - scores[a]!);
    return order.slice(0, RESULTS_MAX);
  });
}

/** What the built-in backend finds; without an embedder, by words alone. All is of one time, so that age does not matter. */
async function searched({ entries, questions }: RecallSet, embedder: Embedder | undefined): Promise<Results> {
  const folder = await mkdtemp(join(tmpdir(), 'dhaavak-recall-'));
  const texts = new Texts();
  const createEmbedder = async () => embedder ?? Promise.reject(new Error('words alone'));
  const backend = localBackend(folder, texts, { createEmbedder });
  try {
    const timestamp = Date.now();
    const remembered = entries.map((text, i) => entryOf(said(i + 1), text, { timestamp }));
    await take(backend, texts, remembered);
    while (embedder !== undefined && (await backend.status('main')).pending > 0) await pause(20);
    const results: number[][] = [];
    for (const { text } of questions) {
      const hits = await find(backend, text, { limit: RESULTS_MAX });
      results.push(hits.map(({ entry }) => Number(entry.id.split('#').at(-1)) - 1));
    }
    return results;
  } finally {
    await backend.close();
    await rm(folder, { recursive: true });
  }
}

/** Of the questions of one kind, or of all but those in other languages. */
function measure({ questions }: RecallSet, results: Results, kind?: QuestionKind): { recall: number; mrr: number } {
  const ranks = questions.flatMap((question, i) => {
    if (kind === undefined ? question.kind === 'foreign' : question.kind !== kind) return [];
    const rank = results[i]!.indexOf(question.answer);
    return [rank < 0 ? Number.POSITIVE_INFINITY : rank];
  });
  return { recall: recallOf(ranks), mrr: reciprocalRankOf(ranks) };
}

function brief(name: string, set: RecallSet, results: Results, baseline: number): BenchRow[] {
  const { recall, mrr } = measure(set, results);
  return [
    { label: `${name}: recall@10`, value: 100 * recall, unit: '%', ratio: recall / baseline },
    { label: `${name}: MRR`, value: mrr, unit: '' },
  ];
}

function detailed(name: string, set: RecallSet, results: Results, baseline: number): BenchRow[] {
  const kinds = KINDS.map(([kind, words]): BenchRow => {
    return { label: `${name}: recall@10, ${words}`, value: 100 * measure(set, results, kind).recall, unit: '%' };
  });
  return [...brief(name, set, results, baseline), ...kinds];
}

async function speed(embedder: Embedder): Promise<BenchRow[]> {
  const text = Array.from({ length: 400 }, (_, i) => (i * 7_919 + 123_456).toString(36))
    .join(' ')
    .slice(0, 2_000);
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const start = performance.now();
    await embedder.embed([text], never);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return [{ label: '2,000 characters of words nobody knows, median', value: times[100]!, unit: 'ms', aim: '≤ 5' }];
}
