/** What the graph does and a list does not: looking past a filter; and its file. */
import { on } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { createVectorIndex, openVectorIndex } from '../../src/memory/vectors/open.ts';
import { SNAPSHOT_FORMAT } from '../../src/memory/vectors/snapshots.ts';
import type { VectorIndex } from '../../src/memory/vectors/vector-index.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { clustered, KINDS, nearestOfAll } from '../support/vectors.ts';

const DIMENSIONS = 16;
// needs hnswlib-node, which is compiled at install (g++, make, python3)
const test = it.skipIf(KINDS[0]?.isMissing);

it('the snapshot names the version of the library that is installed', () => {
  const path = createRequire(import.meta.url).resolve('hnswlib-node/package.json');
  expect(SNAPSHOT_FORMAT).toContain(`hnswlib-node ${JSON.parse(readFileSync(path, 'utf8')).version}`);
});

async function indexOf(vectors: ReadonlyMap<number, Float32Array>): Promise<{ index: VectorIndex; folder: string }> {
  const folder = await tempFolder();
  const index = await createVectorIndex({ folder, dimensions: DIMENSIONS, embedder: 'test' });
  for (const [label, vector] of vectors) index.add(label, vector);
  return { index, folder };
}

/** `count` vectors about one direction: the first dimension if `side` is 1, against it if -1. */
function onSide(side: number, first: number, count: number): Map<number, Float32Array> {
  const next = clustered(first, DIMENSIONS, 1, 0.5);
  const aside = (): Float32Array => {
    const vector = next();
    vector[0] = side * 20;
    return vector;
  };
  return new Map(Array.from({ length: count }, (_, i) => [first + i, aside()]));
}

describe('while a snapshot is written', () => {
  test('a compaction may end, and vectors may be added: it has what there was', async () => {
    const { index, folder } = await indexOf(onSide(1, 1, 3_000));
    for (let label = 1; label <= 2_000; label++) index.remove(label);
    const saving = index.save({ generation: 1, position: 3_000 });
    while (index.step(50));
    for (const [label, vector] of onSide(-1, 10_000, 500)) index.add(label, vector);
    expect(index.stats).toMatchObject({ compactions: 1, dead: 0 });
    await saving;
    await index.close();
    const opened = await openVectorIndex({ folder, dimensions: DIMENSIONS, embedder: 'test' });
    expect(opened).toMatchObject({ index: { size: 1_000, stats: { dead: 2_000 } } });
  });

  test('or read, its thread may be terminated at any time: the process lives', async () => {
    const folder = await tempFolder();
    const path = new URL('../support/vectors-worker.ts', import.meta.url);
    for (const [what, waitMs] of [...times('saved'), ...times('opens')]) {
      const worker = new Worker(path, { workerData: { folder }, execArgv: ['--no-warnings'] });
      for await (const [message] of on(worker, 'message')) if (message === what) break;
      await sleep(waitMs);
      await worker.terminate();
    }
    expect(await openVectorIndex({ folder, dimensions: 384, embedder: 'test' })).toMatchObject({
      index: { size: 2_000 },
    });
  });

  function times(what: string): [what: string, waitMs: number][] {
    return [0, 2, 5].map((waitMs) => [what, waitMs]);
  }
});

describe('where what is nearest is not what the filter accepts', () => {
  // Behind 3,000 that are near, those that are accepted.
  const near = onSide(1, 1, 3_000);

  test('a few accepted ones are compared one by one', async () => {
    const far = onSide(-1, 10_000, 400);
    const { index } = await indexOf(new Map([...near, ...far]));
    const query = near.get(1) as Float32Array;
    const hits = index.search(query, 10, { accepts: (label) => label >= 10_000 });
    expect(hits.map(({ label }) => label)).toEqual(nearestOfAll(far, query, 10).map(({ label }) => label));
    expect(index.stats).toMatchObject({ exhaustive: 1, filteredWalks: 0 });
    await index.close();
  });

  test('for many the graph is walked until they are met', async () => {
    const far = onSide(-1, 10_000, 600);
    const { index } = await indexOf(new Map([...near, ...far]));
    const query = near.get(1) as Float32Array;
    const hits = index.search(query, 10, { accepts: (label) => label >= 10_000 });
    expect(hits.map(({ label }) => label)).toEqual(nearestOfAll(far, query, 10).map(({ label }) => label));
    expect(index.stats).toMatchObject({ exhaustive: 0, filteredWalks: 1 });
    let asked = 0;
    const broken = (label: number): boolean => {
      // It is asked some 5,000 times before the walk, then from native code.
      if (++asked === 6_000) throw new Error('the filter is broken');
      return label >= 10_000;
    };
    expect(() => index.search(query, 10, { accepts: broken })).toThrow('the filter is broken');
    await index.close();
  });

  test('many removed ones hide none that is left', async () => {
    const far = onSide(-1, 10_000, 700);
    const { index } = await indexOf(new Map([...near, ...far]));
    for (const label of near.keys()) index.remove(label);
    const query = near.get(1) as Float32Array;
    expect(index.search(query, 700)).toHaveLength(700);
    await index.close();
  });
});
