/**
 * The table of English words in `english-words.bin`: for each word a weight and a direction, in one piece of memory. Words are
 * known by their hash alone: of the words that are not in the table, one in 100,000 is taken for one that is.
 *
 * Little-endian: the sign, how many words, how many dimensions; then of all words, in the order of their hashes, the hashes (32
 * bits), the scales (32-bit floats), the weights (8 bits, of 255) and the vectors (8 bits a number, to be multiplied by the scale).
 */
import { readFile } from 'node:fs/promises';
import { DhaavakError } from '../../protocol/errors.ts';

/** "DWT1". */
const SIGN = 0x31545744;
const HEAD_BYTES = 12;
const WEIGHT_MAX = 255;
const NUMBER_MAX = 127;

export interface WordRow {
  hash: number;
  /** From 0 to 1. */
  weight: number;
  vector: readonly number[];
}

export class WordTable {
  readonly dimensions: number;
  readonly #hashes: Uint32Array;
  readonly #scales: Float32Array;
  readonly #weights: Uint8Array;
  readonly #numbers: Int8Array;

  /** Throws `internal` for bytes that are no such table. */
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    // A view of 32-bit numbers has to begin at a multiple of four.
    const { buffer, byteOffset } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
    const [sign, count = 0, dimensions = 0] =
      bytes.byteLength < HEAD_BYTES ? [] : new Uint32Array(buffer, byteOffset, 3);
    if (sign !== SIGN || bytes.byteLength !== HEAD_BYTES + count * (9 + dimensions)) {
      throw new DhaavakError('internal', 'english-words.bin is not whole: install Dhaavak again');
    }
    const at = (row: number) => byteOffset + HEAD_BYTES + count * row;
    this.dimensions = dimensions;
    this.#hashes = new Uint32Array(buffer, at(0), count);
    this.#scales = new Float32Array(buffer, at(4), count);
    this.#weights = new Uint8Array(buffer, at(8), count);
    this.#numbers = new Int8Array(buffer, at(9), count * dimensions);
  }

  /** Reads the table that comes with Dhaavak; about 4 MB. */
  static async load(): Promise<WordTable> {
    // `npm run build` copies it, so that the path is the same from the sources and from what they are built into.
    return new WordTable(await readFile(new URL('english-words.bin', import.meta.url)));
  }

  /** The row of the word with this hash, or -1. */
  find(hash: number): number {
    let low = 0;
    let high = this.#hashes.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = this.#hashes[middle]!;
      if (found === hash) return middle;
      if (found < hash) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** How much the word says, from 0 to 1: the more, the rarer it is. */
  weight(row: number): number {
    return this.#weights[row]! / WEIGHT_MAX;
  }

  /** Adds the word's vector, multiplied by `factor`, to the first numbers of `sum`. */
  add(row: number, factor: number, sum: Float32Array): void {
    const scale = factor * this.#scales[row]!;
    const from = row * this.dimensions;
    for (let i = 0; i < this.dimensions; i++) sum[i]! += scale * this.#numbers[from + i]!;
  }
}

/** The bytes of a table of these words. Throws if two of them have one hash. */
export function encodeWordTable(words: readonly WordRow[], dimensions: number): Uint8Array<ArrayBuffer> {
  const rows = [...words].sort((a, b) => a.hash - b.hash);
  const bytes = new Uint8Array(HEAD_BYTES + rows.length * (9 + dimensions));
  const view = new DataView(bytes.buffer);
  for (const [index, number] of [SIGN, rows.length, dimensions].entries()) view.setUint32(index * 4, number, true);
  const at = (offset: number) => HEAD_BYTES + rows.length * offset;
  for (const [row, { hash, weight, vector }] of rows.entries()) {
    if (rows[row + 1]?.hash === hash) throw new Error(`two words have the hash ${hash}`);
    const scale = Math.max(...vector.map(Math.abs)) / NUMBER_MAX;
    view.setUint32(at(0) + row * 4, hash, true);
    view.setFloat32(at(4) + row * 4, scale, true);
    view.setUint8(at(8) + row, Math.round(weight * WEIGHT_MAX));
    for (const [i, number] of vector.entries()) {
      view.setInt8(at(9) + row * dimensions + i, scale === 0 ? 0 : Math.round(number / scale));
    }
  }
  return bytes;
}
