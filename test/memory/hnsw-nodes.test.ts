/** What the graph does and a list does not: waiting for its file, and looking past a filter. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { createVectorIndex, openVectorIndex } from '../../src/memory/vectors/open.ts';
import { SNAPSHOT_FORMAT } from '../../src/memory/vectors/snapshots.ts';
import { type VectorIndex, VectorsWaitingError, WAITING_MAX } from '../../src/memory/vectors/vector-index.ts';
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

describe('while its file is written', () => {
  test('additions wait, are found, and are taken in afterwards; too many are refused', async () => {
    const { index, folder } = await indexOf(onSide(1, 1, 500));
    const later = onSide(-1, 10_000, WAITING_MAX);
    const saving = index.save({ generation: 1, position: 500 });
    for (const [label, vector] of later) index.add(label, vector);
    expect(index.stats.waiting).toBe(WAITING_MAX);
    const [one] = onSide(-1, 90_000, 1).values();
    expect(() => index.add(90_000, one as Float32Array)).toThrow(VectorsWaitingError);
    expect(index.has(90_000)).toBe(false);
    const query = later.get(10_005) as Float32Array;
    expect(index.search(query, 3)).toEqual(
      nearestOfAll(later, query, 3).map((hit) => ({ ...hit, similarity: expect.closeTo(hit.similarity, 4) })),
    );
    index.remove(10_005);
    expect(index.search(query, 1)[0]?.label).not.toBe(10_005);
    await saving;
    index.add(90_000, one as Float32Array);
    expect(index.stats.waiting).toBe(WAITING_MAX - 1);
    while (index.step(50));
    expect(index.stats.waiting).toBe(0);
    expect(index.search(one as Float32Array, 1)[0]?.label).toBe(90_000);
    await index.close();
    const opened = await openVectorIndex({ folder, dimensions: DIMENSIONS, embedder: 'test' });
    expect(opened).toMatchObject({ index: { size: 500 } });
  });

  test('the next snapshot has those that waited', async () => {
    const { index, folder } = await indexOf(onSide(1, 1, 500));
    const first = index.save({ generation: 1, position: 500 });
    for (const [label, vector] of onSide(-1, 10_000, 800)) index.add(label, vector);
    await first;
    await index.save({ generation: 1, position: 10_800 });
    await index.close();
    const opened = await openVectorIndex({ folder, dimensions: DIMENSIONS, embedder: 'test' });
    expect(opened).toMatchObject({ index: { size: 1_300 }, tag: { position: 10_800 } });
  });

  test('a compaction may end: what is written is kept until it is', async () => {
    const { index, folder } = await indexOf(onSide(1, 1, 3_000));
    for (let label = 1; label <= 2_000; label++) index.remove(label);
    const saving = index.save({ generation: 1, position: 3_000 });
    while (index.step(50));
    expect(index.stats).toMatchObject({ compactions: 1, dead: 0 });
    await saving;
    await index.close();
    const opened = await openVectorIndex({ folder, dimensions: DIMENSIONS, embedder: 'test' });
    expect(opened).toMatchObject({ index: { size: 1_000, stats: { dead: 2_000 } } });
  });
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
