/**
 * The built-in embedder: no network, no key, no model, the same vector for the same text for ever. A vector has two parts.
 *
 * The first 80 numbers are *what is meant*: the weighted mean of the vectors of the English words in it (SIF, see
 * `scripts/make-word-table.ts`), so that "the dentist pulls a tooth" is found by "oral surgery". It knows nothing of the order of
 * words, so "the dog bit the man" is what it is the other way round.
 *
 * The other 176 are *how it is written*: words and pieces of three and four letters, hashed into as many places (feature hashing:
 * Weinberger and others, 2009). Names, numbers, ids, misspellings and all other languages are found by it, by likeness of letters
 * alone.
 *
 * How much each part counts in a text is how much of it the table of words knows.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Embedder, EmbedderEvents } from './embedder.ts';
import { hashText, mixed, tokensOf } from './tokens.ts';
import { WordTable } from './word-table.ts';

/** To be raised by one with every change of what comes out, also of the table: indexes are then made anew. */
const ID = 'offline/1';
const WRITTEN_DIMENSIONS = 176;
/** Longest text that is read, in UTF-16 code units: a mean over more says little, and time has a limit (1 ms for 2,000). */
const LENGTH_MAX = 8_000;
/** The thread is given back after this long, in milliseconds; a text is not interrupted. */
const SLICE_MS = 3;
const BATCH_MAX = 64;

/** What a known word's spelling counts, of what its meaning does. More finds exact words better and paraphrases worse. */
const KNOWN_SPELLING = 0.1;
/** What an unknown word's spelling counts; a rare known word's meaning counts 1. */
const UNKNOWN_SPELLING = 0.7;
/** Letters in a piece. */
const PIECES = [3, 4];
/** What a word as a whole counts beside all its pieces. */
const WHOLE_WORD = 0.5;
/** Longer words are ids or data: the pieces of their beginning are enough. In UTF-16 code units. */
const WORD_LENGTH_MAX = 64;
/** Stands for a text without any word, so that its vector has a length. */
const NO_WORD = '';

export class OfflineEmbedder implements Embedder {
  readonly id = ID;
  readonly dimensions: number;
  readonly batchMax = BATCH_MAX;
  readonly #words: WordTable;
  readonly #events: EmbedderEvents;

  constructor(words: WordTable, events: EmbedderEvents) {
    this.#words = words;
    this.#events = events;
    this.dimensions = words.dimensions + WRITTEN_DIMENSIONS;
  }

  async embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    signal.throwIfAborted();
    const vectors: Float32Array[] = [];
    let sliceEnd = performance.now() + SLICE_MS;
    for (const text of texts) {
      if (performance.now() > sliceEnd) {
        await nextTurn();
        signal.throwIfAborted();
        sliceEnd = performance.now() + SLICE_MS;
      }
      vectors.push(this.#vectorOf(text));
    }
    return vectors;
  }

  #vectorOf(text: string): Float32Array {
    if (text.length > LENGTH_MAX) this.#events.onTruncated?.(text.length, LENGTH_MAX);
    const counts = new Map<string, number>();
    for (const token of tokensOf(text.slice(0, LENGTH_MAX))) counts.set(token, (counts.get(token) ?? 0) + 1);
    if (counts.size === 0) counts.set(NO_WORD, 1);

    const vector = new Float32Array(this.dimensions);
    const meant = vector.subarray(0, this.#words.dimensions);
    const written = vector.subarray(this.#words.dimensions);
    let meantShare = 0;
    let writtenShare = 0;
    for (const [word, count] of counts) {
      const hash = hashText(word);
      const row = this.#words.find(hash);
      if (row < 0) {
        addSpelling(written, word, hash, 1);
        writtenShare += UNKNOWN_SPELLING * count;
        continue;
      }
      const weight = this.#words.weight(row);
      this.#words.add(row, weight * count, meant);
      addSpelling(written, word, hash, KNOWN_SPELLING * weight);
      meantShare += weight * count;
      writtenShare += KNOWN_SPELLING * weight * count;
    }
    // The squares of their lengths add up: the likeness of two texts is the mean of both parts'.
    scaleTo(meant, Math.sqrt(meantShare));
    scaleTo(written, Math.sqrt(writtenShare));
    scaleTo(vector, 1);
    return vector;
  }
}

/** Loads the table of words. */
export async function loadOfflineEmbedder(events: EmbedderEvents): Promise<OfflineEmbedder> {
  return new OfflineEmbedder(await WordTable.load(), events);
}

/** Adds a word, whose hash is known, and its pieces. All pieces together are as long as one vector of length `weight`. */
function addSpelling(sum: Float32Array, word: string, hash: number, weight: number): void {
  addFeature(sum, hash, weight * WHOLE_WORD);
  const framed = `<${word.slice(0, WORD_LENGTH_MAX)}>`;
  let pieces = 0;
  for (const length of PIECES) pieces += Math.max(0, framed.length - length + 1);
  const each = weight / Math.sqrt(Math.max(1, pieces));
  for (const length of PIECES) {
    for (let at = 0; at + length <= framed.length; at++) addFeature(sum, hashPiece(framed, at, length), each);
  }
}

/** Begins elsewhere than the hash of a word: the word "der" is no piece of "wunder". */
function hashPiece(text: string, at: number, length: number): number {
  let hash = 0x9747b28c + length;
  for (let i = at; i < at + length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** A feature has one place and a sign, so that those that share a place cancel out on average. */
function addFeature(sum: Float32Array, hash: number, weight: number): void {
  const mix = mixed(hash);
  sum[(mix >>> 1) % sum.length]! += mix & 1 ? weight : -weight;
}

/** Leaves a vector of nothing as it is. */
function scaleTo(vector: Float32Array, length: number): void {
  let square = 0;
  for (const number of vector) square += number * number;
  if (square === 0) return;
  const factor = length / Math.sqrt(square);
  for (let i = 0; i < vector.length; i++) vector[i]! *= factor;
}
