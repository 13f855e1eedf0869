import type { Logger } from 'pino';
import { DhaavakError } from '../../protocol/errors.ts';
import type { Embedder } from '../embedders/embedder.ts';

/** After a failure the next try comes no sooner, in milliseconds; doubling up to the second. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 5 * 60_000;

/** The embedder of all agents' indexes: made with the first need, and left alone for a while after each failure. */
export class EmbedderSource {
  readonly #create: (signal: AbortSignal) => Promise<Embedder>;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  #embedder: Promise<Embedder> | undefined;
  #failures = 0;
  #notBefore = 0;
  /** Why there are no vectors at the moment. */
  trouble: string | undefined;
  /** Of its vectors; '' until it is there. */
  id = '';

  constructor(create: (signal: AbortSignal) => Promise<Embedder>, log: Logger) {
    this.#create = create;
    this.#log = log;
  }

  /** How long to wait before it is asked again, in milliseconds. */
  get waitMs(): number {
    return Math.max(0, this.#notBefore - performance.now());
  }

  /** Ready to embed. Rejects as it does where it cannot be made. */
  async ready(): Promise<Embedder> {
    this.#embedder ??= this.#create(this.#closing.signal);
    try {
      const embedder = await this.#embedder;
      this.id = embedder.id;
      return embedder;
    } catch (error) {
      this.#embedder = undefined;
      this.#failed(error);
      throw error;
    }
  }

  /** As {@link Embedder.embed}. A failure other than the signal's is noted. */
  async embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    const embedder = await this.ready();
    try {
      const vectors = await embedder.embed(texts, AbortSignal.any([signal, this.#closing.signal]));
      this.#failures = 0;
      this.#notBefore = 0;
      this.trouble = undefined;
      return vectors;
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
      throw error;
    }
  }

  close(): void {
    this.#closing.abort(new Error('the memory ends'));
  }

  #failed(error: unknown): void {
    if (this.#closing.signal.aborted) return;
    if (this.trouble === undefined)
      this.#log.warn({ error }, 'texts cannot be embedded: they are found by their words only');
    const known = error instanceof DhaavakError ? error : undefined;
    const backoffMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#notBefore = performance.now() + Math.max(backoffMs, known?.retryAfterMs ?? 0);
    this.trouble = `texts are found by their words only: ${(error as Error).message}`;
  }
}
