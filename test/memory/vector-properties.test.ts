/**
 * Goal: whatever is added, replaced, removed, compacted, saved and opened, in whatever order and also while a snapshot is being
 * written, a search finds what comparing with all finds. Method: random operations on an index and on a Map. There are few
 * enough vectors for a search to meet them all; how well it does among many is in vector-index.test.ts and the bench.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createVectorIndex, openVectorIndex } from '../../src/memory/vectors/open.ts';
import type { VectorIndex, VectorIndexOptions } from '../../src/memory/vectors/vector-index.ts';
import { clustered, KINDS, nearestOfAll } from '../support/vectors.ts';

const DIMENSIONS = 8;
const next = clustered(5, DIMENSIONS, 4);
/** Fewer than labels, so that labels share some. */
const POOL = Array.from({ length: 50 }, next);

const label = fc.integer({ min: 1, max: 60 });
const vector = fc.nat({ max: POOL.length - 1 });
const operation = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('add' as const), label, vector }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('remove' as const), label }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('search' as const),
      vector,
      limit: fc.integer({ min: 1, max: 70 }),
      // The remainder of the accepted labels by three, or all.
      accepted: fc.option(fc.nat({ max: 2 }), { nil: undefined }),
      byCandidates: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ do: 'step' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'compact' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'save' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reopen' as const }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** An index and what it should hold. */
class Pair {
  readonly #options: VectorIndexOptions;
  #index: VectorIndex;
  readonly #model = new Map<number, Float32Array>();
  #saving: Promise<void> | undefined;

  private constructor(options: VectorIndexOptions, index: VectorIndex) {
    this.#options = options;
    this.#index = index;
  }

  static async make(folder: string, exact: boolean): Promise<Pair> {
    const options = { folder, dimensions: DIMENSIONS, embedder: 'test', exact };
    return new Pair(options, await createVectorIndex(options));
  }

  async run(operation: Operation): Promise<void> {
    switch (operation.do) {
      case 'add':
        this.#index.add(operation.label, POOL[operation.vector] as Float32Array);
        this.#model.set(operation.label, POOL[operation.vector] as Float32Array);
        break;
      case 'remove':
        this.#index.remove(operation.label);
        this.#model.delete(operation.label);
        break;
      case 'search':
        this.#search(operation);
        break;
      case 'step':
        this.#index.step(0);
        break;
      case 'compact':
        this.#index.compact();
        break;
      case 'save':
        // Not awaited: what follows happens while it is being written.
        this.#saving ??= this.#index.save({ generation: 1, position: 1 }).finally(() => {
          this.#saving = undefined;
        });
        break;
      case 'reopen':
        await this.#reopen();
    }
    expect(this.#index.size).toBe(this.#model.size);
  }

  #search({ vector, limit, accepted, byCandidates }: Extract<Operation, { do: 'search' }>): void {
    const query = POOL[vector] as Float32Array;
    const accepts = (label: number): boolean => accepted === undefined || label % 3 === accepted;
    const candidates = [...this.#model].filter(([label]) => accepts(label));
    const filter = {
      accepts,
      ...(byCandidates && { candidates: { count: candidates.length, vectors: () => candidates } }),
    };
    const hits = this.#index.search(query, limit, accepted === undefined && !byCandidates ? undefined : filter);
    const expected = nearestOfAll(this.#model, query, limit, accepts);
    // Equal ones may come in any order.
    expect(hits.map(({ similarity }) => similarity)).toEqual(
      expected.map(({ similarity }) => expect.closeTo(similarity, 4)),
    );
    const labels = new Set(hits.map((hit) => hit.label));
    expect(labels.size).toBe(hits.length);
    for (const { label, similarity } of hits) {
      expect(accepts(label)).toBe(true);
      const [own] = nearestOfAll(new Map([[label, this.#model.get(label) as Float32Array]]), query, 1);
      expect(own?.similarity).toBeCloseTo(similarity, 4);
    }
  }

  async #reopen(): Promise<void> {
    await this.#saving;
    await this.#index.save({ generation: 2, position: 2 });
    await this.#index.close();
    const opened = await openVectorIndex(this.#options);
    if (!('index' in opened)) throw new Error(opened.message);
    this.#index = opened.index;
  }

  async close(): Promise<void> {
    await this.#saving;
    await this.#index.close();
  }
}

describe.each(KINDS)('an index of kind $kind', ({ kind, isMissing }) => {
  // hnsw: needs hnswlib-node, which is compiled at install (g++, make, python3)
  it.skipIf(isMissing)('finds what comparing with all finds', { timeout: 60_000 }, async () => {
    const home = await mkdtemp(join(tmpdir(), 'dhaavak-test-'));
    let runs = 0;
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { minLength: 20, maxLength: 120, size: 'max' }), async (operations) => {
          const pair = await Pair.make(join(home, String(runs++)), kind === 'exact');
          for (const one of operations) await pair.run(one);
          await pair.close();
        }),
        { numRuns: 60 },
      );
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  });
});
