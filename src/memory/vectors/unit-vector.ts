/** Vectors of length one, whose product is their cosine. */
import { crc32 } from 'node:zlib';

/** Shorter than any embedding, longer than what is lost in rounding. */
const LENGTH_MIN = 1e-12;

/** Whether it points anywhere: neither zero nor with a number that is none. One without cannot be compared, nor added. */
export function hasDirection(vector: Float32Array): boolean {
  return lengthOf(vector) !== undefined;
}

/** Writes it, of length one, into `target`, which is returned; or returns undefined for one without a direction. */
export function unitOf(
  vector: Float32Array,
  target: Float32Array = new Float32Array(vector.length),
): Float32Array | undefined {
  const length = lengthOf(vector);
  if (length === undefined) return undefined;
  for (let i = 0; i < vector.length; i++) target[i] = (vector[i] as number) / length;
  return target;
}

/** Of one of length one with any other; undefined where that has no direction. */
export function cosineOf(unit: Float32Array, vector: Float32Array): number | undefined {
  const length = lengthOf(vector);
  return length && clampCosine(dot(unit, vector) / length);
}

/** What rounding adds: the cosine of a vector with itself may be a little over 1. */
export function clampCosine(value: number): number {
  return Math.min(1, Math.max(-1, value));
}

function lengthOf(vector: Float32Array): number | undefined {
  const length = Math.sqrt(dot(vector, vector));
  return Number.isFinite(length) && length > LENGTH_MIN ? length : undefined;
}

/** Of the same length, both: not checked here. */
export function dot(a: Float32Array, b: Float32Array): number {
  let even = 0;
  let odd = 0;
  const pairs = a.length & ~1;
  for (let i = 0; i < pairs; i += 2) {
    even += (a[i] as number) * (b[i] as number);
    odd += (a[i + 1] as number) * (b[i + 1] as number);
  }
  if (pairs < a.length) even += (a[pairs] as number) * (b[pairs] as number);
  return even + odd;
}

/** A number that the same vector always has, and hardly another: signed, 32 bits, which V8 keeps without an object. */
export function fingerprintOf(vector: Float32Array): number {
  return crc32(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)) | 0;
}

export function isSame(a: Float32Array, b: ArrayLike<number>): boolean {
  return a.every((value, i) => value === b[i]);
}
