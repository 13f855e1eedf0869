/** What both kinds of index must do; what only one does is in hnsw-nodes.test.ts. */
import { readdir, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { createVectorIndex, openVectorIndex } from '../../src/memory/vectors/open.ts';
import { Snapshots } from '../../src/memory/vectors/snapshots.ts';
import type { VectorIndex, VectorIndexOptions } from '../../src/memory/vectors/vector-index.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { clustered, KINDS, nearestOfAll } from '../support/vectors.ts';

const DIMENSIONS = 32;
const TAG = { generation: 1, position: 7 };

async function optionsFor(kind: 'hnsw' | 'exact', changes: Partial<VectorIndexOptions> = {}) {
  const folder = await tempFolder();
  return { folder, dimensions: DIMENSIONS, embedder: 'test', exact: kind === 'exact', ...changes };
}

/** Adds `count` vectors from `first` on, and returns them. */
function fill(index: VectorIndex, count: number, first = 1): Map<number, Float32Array> {
  const next = clustered(first, index.dimensions, 20);
  const vectors = new Map<number, Float32Array>();
  for (let label = first; label < first + count; label++) {
    vectors.set(label, next());
    index.add(label, vectors.get(label) as Float32Array);
  }
  return vectors;
}

function settle(index: VectorIndex): void {
  while (index.step(50));
}

/** The share of the nearest ten that are found, over 50 vectors that are not in the index. */
function recall(index: VectorIndex, vectors: Map<number, Float32Array>): number {
  const next = clustered(1, index.dimensions, 20);
  let met = 0;
  for (let i = 0; i < 50; i++) {
    const query = next().map((value, at) => value + ((at * 7 + i) % 5) * 0.1);
    const found = new Set(index.search(query, 10).map(({ label }) => label));
    met += nearestOfAll(vectors, query, 10).filter(({ label }) => found.has(label)).length;
  }
  return met / 500;
}

describe.each(KINDS)('a vector index of kind $kind', ({ kind, isMissing }) => {
  // hnsw: needs hnswlib-node, which is compiled at install (g++, make, python3)
  const test = it.skipIf(isMissing);

  test('finds the nearest, nearest first, with their cosines', async () => {
    const index = await createVectorIndex(await optionsFor(kind));
    expect(index.kind).toBe(kind);
    const vectors = fill(index, 2_000);
    expect(index.size).toBe(2_000);
    expect(recall(index, vectors)).toBeGreaterThan(0.98);
    const [label, query] = [...vectors][42] as [number, Float32Array];
    const hits = index.search(query, 5);
    expect(hits[0]).toEqual({ label, similarity: expect.closeTo(1, 5) });
    expect(hits.map(({ similarity }) => similarity)).toEqual(hits.map((hit) => hit.similarity).sort((a, b) => b - a));
    await index.close();
  });

  test('is empty at first, and says what it cannot take', async () => {
    const index = await createVectorIndex(await optionsFor(kind));
    const vector = new Float32Array(DIMENSIONS).fill(1);
    expect(index.search(vector, 10)).toEqual([]);
    index.remove(3);
    for (const label of [0, -1, 1.5, 2 ** 32, Number.NaN]) {
      expect(() => index.add(label, vector)).toThrow('a label is an integer from 1 to 4294967295');
    }
    expect(() => index.add(1, new Float32Array(3))).toThrow('the vector has 3 dimensions, the index 32');
    expect(() => index.search(new Float32Array(3), 1)).toThrow('the vector has 3 dimensions');
    for (const bad of [0, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => index.add(1, new Float32Array(DIMENSIONS).fill(bad))).toThrow('has no direction');
      expect(index.search(new Float32Array(DIMENSIONS).fill(bad), 1)).toEqual([]);
    }
    for (const limit of [0, 1_001, 1.5]) expect(() => index.search(vector, limit)).toThrow('from 1 to 1000');
    expect(index.size).toBe(0);
    index.add(2 ** 32 - 1, vector);
    expect(index.search(vector, 10)).toEqual([{ label: 2 ** 32 - 1, similarity: expect.closeTo(1, 5) }]);
    await index.close();
  });

  test('forgets what is removed and moves what is replaced', async () => {
    const index = await createVectorIndex(await optionsFor(kind));
    const vectors = fill(index, 300);
    const [first, second] = [vectors.get(1), vectors.get(2)] as [Float32Array, Float32Array];
    index.remove(1);
    expect(index.has(1)).toBe(false);
    expect(index.search(first, 300).map(({ label }) => label)).not.toContain(1);
    index.add(3, second);
    expect(index.size).toBe(299);
    const [hits, labels] = [index.search(second, 2), index.search(second, 300).map(({ label }) => label)];
    expect(hits.map(({ label }) => label).sort()).toEqual([2, 3]);
    expect(labels.filter((label) => label === 3)).toHaveLength(1);
    expect(index.search(vectors.get(3) as Float32Array, 1)[0]?.similarity).toBeLessThan(0.99);
    await index.close();
  });

  test('keeps the same vector once, and finds what lies beyond a thousand of the same', async () => {
    const index = await createVectorIndex(await optionsFor(kind));
    const vectors = fill(index, 1_500);
    const same = vectors.get(700) as Float32Array;
    for (let label = 5_001; label <= 7_000; label++) {
      index.add(label, same);
      vectors.set(label, same);
    }
    for (const [label, vector] of fill(index, 500, 10_000)) vectors.set(label, vector);
    expect(index.size).toBe(4_000);
    const own = [...vectors].filter(([label]) => label <= 1_500 || label >= 10_000);
    expect(own.filter(([label, vector]) => index.search(vector, 1)[0]?.label === label).length).toBeGreaterThan(1_990);
    const hits = index.search(same, 1_000);
    expect(new Set(hits.map(({ label }) => label)).size).toBe(1_000);
    expect(hits.at(-1)?.similarity).toBeCloseTo(1, 5);
    for (let label = 5_001; label <= 7_000; label++) index.remove(label);
    expect(index.search(same, 2)[0]?.label).toBe(700);
    expect(index.stats.dead).toBe(0);
    await index.close();
  });

  test('compacts when a quarter is dead, in steps, while it is searched and changed', async () => {
    const options = await optionsFor(kind);
    const index = await createVectorIndex(options);
    const vectors = fill(index, 4_000);
    for (let label = 1; label <= 1_500; label++) {
      index.remove(label);
      vectors.delete(label);
    }
    expect(index.stats).toMatchObject({ dead: 1_500, compacting: false });
    const next = clustered(77, DIMENSIONS, 20);
    let steps = 0;
    for (let label = 2_000; index.step(0.1); steps++, label++) {
      if (index.stats.compactions > 0) break;
      // One that was copied and one that was not, most of the time; and new ones.
      index.remove(label);
      vectors.delete(label);
      for (const changed of [label + 500, 9_000 + steps]) {
        vectors.set(changed, next());
        index.add(changed, vectors.get(changed) as Float32Array);
      }
      const [hit] = index.search(vectors.get(9_000 + steps) as Float32Array, 1);
      expect(hit?.label).toBe(9_000 + steps);
      if (steps === 20) await index.save(TAG);
    }
    expect(steps).toBeGreaterThan(20);
    expect(index.stats).toMatchObject({ compactions: 1, compacting: false });
    expect(index.size).toBe(vectors.size);
    expect(recall(index, vectors)).toBeGreaterThan(0.98);
    index.compact();
    settle(index);
    expect(index.stats).toMatchObject({ compactions: 2, dead: 0 });
    expect(recall(index, vectors)).toBeGreaterThan(0.98);
    await index.close();
  });

  describe('with a filter', () => {
    test('returns only what is accepted, as many as are asked for', async () => {
      const index = await createVectorIndex(await optionsFor(kind));
      const vectors = fill(index, 3_000);
      for (const every of [2, 30, 600]) {
        const accepts = (label: number): boolean => label % every === 0;
        const query = vectors.get(1) as Float32Array;
        const labels = index.search(query, 5, { accepts }).map(({ label }) => label);
        expect(labels).toEqual(nearestOfAll(vectors, query, 5, accepts).map(({ label }) => label));
      }
      expect(index.search(vectors.get(1) as Float32Array, 5, { accepts: () => false })).toEqual([]);
      await index.close();
    });

    test('compares candidates where they are few, and passes over those it does not hold', async () => {
      const index = await createVectorIndex(await optionsFor(kind));
      const vectors = fill(index, 3_000);
      const query = vectors.get(5) as Float32Array;
      index.remove(20);
      const mine = [10, 20, 30, 40, 77_777].map((label) => [label, vectors.get(label) ?? query] as const);
      const filter = { accepts: () => true, candidates: { count: mine.length, vectors: () => mine } };
      const hits = index.search(query, 2, filter);
      const expected = nearestOfAll(new Map(mine.filter(([label]) => label % 20 === 10 || label === 40)), query, 2);
      expect(hits.map(({ label }) => label)).toEqual(expected.map(({ label }) => label));
      expect(index.stats.byCandidates).toBe(1);
      const many = { count: 2_001, vectors: () => expect.unreachable('too many') };
      expect(index.search(query, 2, { accepts: () => true, candidates: many })[0]?.label).toBe(5);
      expect(index.stats.byCandidates).toBe(1);
      await index.close();
    });

    test('that throws, throws, and the next search works', async () => {
      const index = await createVectorIndex(await optionsFor(kind));
      const vectors = fill(index, 3_000);
      const query = vectors.get(5) as Float32Array;
      let asked = 0;
      const accepts = (): boolean => {
        asked += 1;
        if (asked === 2_700) throw new Error('the filter is broken');
        return asked > 2_000 && asked < 2_600;
      };
      expect(() => index.search(query, 1_000, { accepts })).toThrow('the filter is broken');
      expect(index.search(query, 1)[0]?.label).toBe(5);
      await index.close();
    });
  });

  describe('its snapshot', () => {
    test('brings back what was saved, and its tag', async () => {
      const options = await optionsFor(kind);
      expect(await openVectorIndex(options)).toMatchObject({ reason: 'none' });
      const index = await createVectorIndex(options);
      const vectors = fill(index, 1_500);
      index.add(5_000, vectors.get(7) as Float32Array);
      index.remove(8);
      const saving = index.save(TAG);
      await expect(index.save(TAG)).rejects.toThrow('a snapshot is being written already');
      index.add(6_000, vectors.get(9) as Float32Array); // not in it
      index.remove(10); // in it still
      await saving;
      await index.close();
      const opened = await openVectorIndex(options);
      if (!('index' in opened)) throw new Error(opened.message);
      expect(opened.tag).toEqual(TAG);
      expect(opened.index).toMatchObject({ size: 1_500, kind, dimensions: DIMENSIONS });
      const { index: again } = opened;
      expect([8, 10, 5_000, 6_000].map((label) => again.has(label))).toEqual([false, true, true, false]);
      vectors.delete(8);
      expect(recall(again, vectors)).toBeGreaterThan(0.98);
      for (const [label, vector] of fill(again, 1_000, 20_000)) vectors.set(label, vector);
      expect(recall(again, vectors)).toBeGreaterThan(0.98);
      await again.save({ generation: 2, position: 8 });
      await again.close();
      expect(await openVectorIndex(options)).toMatchObject({ tag: { generation: 2, position: 8 } });
      expect(await readdir(options.folder)).toHaveLength(2);
    });

    test('of another embedder, kind or number of dimensions is not taken', async () => {
      const options = await optionsFor(kind);
      const index = await createVectorIndex(options);
      fill(index, 10);
      await index.save(TAG);
      await index.close();
      const others: [Partial<VectorIndexOptions>, string][] = [
        [{ embedder: 'another' }, 'is of the embedder test, not another'],
        [{ dimensions: 16 }, 'has 32 dimensions, not 16'],
      ];
      if (!isMissing && kind === 'hnsw') others.push([{ exact: true }, 'is of the kind hnsw, not exact']);
      for (const [changes, message] of others) {
        const opened = await openVectorIndex({ ...options, ...changes });
        expect(opened).toMatchObject({ reason: 'other', message: expect.stringContaining(message) });
      }
    });

    test('that could not be written leaves the one before', async () => {
      const options = await optionsFor(kind);
      const index = await createVectorIndex(options);
      fill(index, 10);
      await index.save(TAG);
      await index.close();
      const pages = { labels: new Uint32Array(1), nodes: new Uint32Array(1), fingerprints: new Int32Array(1) };
      const contents = { ...options, kind, tag: TAG };
      const failed = new Snapshots(options.folder).write(contents, pages, async (path) => {
        await writeFile(path, 'half');
        throw new Error('no space left on device');
      });
      await expect(failed).rejects.toThrow('no space left on device');
      expect(await openVectorIndex(options)).toMatchObject({ tag: TAG });
      expect(await readdir(options.folder)).toHaveLength(2);
    });
  });
});
