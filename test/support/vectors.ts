/** Vectors as embeddings lie, from a seed, and who is nearest by looking at all. */
import { createRequire } from 'node:module';
import { dot, unitOf } from '../../src/memory/vectors/unit-vector.ts';
import { seeded } from './random.ts';

/** Numbers with mean 0 and variance 1 (Box and Muller). */
export function gaussian(seed: number): () => number {
  const next = seeded(seed);
  const fraction = (): number => (next(2 ** 30) + 1) / (2 ** 30 + 1);
  return () => Math.sqrt(-2 * Math.log(fraction())) * Math.cos(2 * Math.PI * fraction());
}

/**
 * One vector after the other, each about a topic: `topics` centres in all directions, with `spread` times as much noise as the
 * centre is long. With 0.6, two of one topic have a cosine of about 0.74, two of different ones about 0.
 */
export function clustered(seed: number, dimensions: number, topics: number, spread = 0.6): () => Float32Array {
  const normal = gaussian(seed);
  const next = seeded(seed + 1);
  const centres = Array.from({ length: topics }, () => Float32Array.from({ length: dimensions }, normal));
  return () => (centres[next(topics)] as Float32Array).map((value) => value + spread * normal());
}

/** The nearest by comparing with all, nearest first. */
export function nearestOfAll(
  vectors: ReadonlyMap<number, Float32Array>,
  query: Float32Array,
  limit: number,
  accepts = (_label: number) => true,
): { label: number; similarity: number }[] {
  const unit = unitOf(query) as Float32Array;
  return [...vectors]
    .filter(([label]) => accepts(label))
    .map(([label, vector]) => ({ label, similarity: dot(unit, unitOf(vector) as Float32Array) }))
    .sort((a, b) => b.similarity - a.similarity)
    .slice(0, limit);
}

/** Which kinds of index can be tested here. */
export const KINDS: { kind: 'hnsw' | 'exact'; isMissing: boolean }[] = [
  { kind: 'hnsw', isMissing: !isCompiled() },
  { kind: 'exact', isMissing: false },
];

function isCompiled(): boolean {
  try {
    createRequire(import.meta.url)('hnswlib-node');
    return true;
  } catch {
    return false;
  }
}
