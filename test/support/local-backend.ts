import { pino } from 'pino';
import type { Embedder } from '../../src/memory/embedders/embedder.ts';
import { LocalBackend, type LocalBackendOptions } from '../../src/memory/local/backend.ts';
import { Pace } from '../../src/memory/pace.ts';
import { Texts } from './memory-entries.ts';

/** A word a dimension, so that texts are near each other that share words; `synonyms` are the same word. */
export class WordEmbedder implements Embedder {
  readonly id: string;
  readonly dimensions = 64;
  readonly batchMax = 16;
  readonly #synonyms: Readonly<Record<string, string>>;
  /** What the next calls fail with. */
  failure: Error | undefined;
  embedded = 0;

  constructor(id = 'words/1', synonyms: Readonly<Record<string, string>> = {}) {
    this.id = id;
    this.#synonyms = synonyms;
  }

  async embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    signal.throwIfAborted();
    if (this.failure !== undefined) throw this.failure;
    this.embedded += texts.length;
    return texts.map((text) => this.#vectorOf(text));
  }

  #vectorOf(text: string): Float32Array {
    const vector = new Float32Array(this.dimensions);
    for (const [word] of text.toLowerCase().matchAll(/[\p{L}\p{N}]+/gu)) {
      const known = this.#synonyms[word] ?? word;
      const place = [...known].reduce((hash, letter) => (hash * 31 + (letter.codePointAt(0) ?? 0)) % 8_191, 7);
      vector[place % this.dimensions] = (vector[place % this.dimensions] ?? 0) + 1;
    }
    const length = Math.hypot(...vector);
    return length === 0 ? vector : vector.map((value) => value / length);
  }
}

/** A built-in backend that works as fast as it can. */
export function localBackend(
  folder: string,
  texts = new Texts(),
  { embedder = new WordEmbedder(), ...options }: Partial<LocalBackendOptions> & { embedder?: Embedder } = {},
): LocalBackend {
  const pace = new Pace();
  pace.hurry(Number.POSITIVE_INFINITY);
  return new LocalBackend({
    folder,
    entriesMax: 100_000,
    createEmbedder: async () => embedder,
    pace,
    log: pino({ level: 'silent' }),
    textOf: texts.get,
    now: Date.now,
    onLost: () => {},
    ...options,
  });
}
