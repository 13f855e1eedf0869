/** Vectors of length one, whose product is their cosine. */
import { crc32 } from 'node:zlib';

/** Shorter than any embedding, longer than what is lost in rounding. */
const LENGTH_MIN = 1e-12;

/** Whether it points anywhere: neither zero nor with a number that is none. One without cannot be compared, nor added. */
export function hasDirection(vector: Float32Array): boolean {
  const length = Math.sqrt(dot(vector, vector));
  return Number.isFinite(length) && length > LENGTH_MIN;
}

/** A copy of length one, or undefined for one without a direction. */
export function unitOf(vector: Float32Array): Float32Array | undefined {
  if (!hasDirection(vector)) return undefined;
  const length = Math.sqrt(dot(vector, vector));
  return vector.map((value) => value / length);
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
