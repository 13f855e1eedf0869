/**
 * OpenAI's Embeddings API, and with it every server that speaks the same. The request that is made is one such a server cannot
 * refuse: no empty text, none over the model's limit, not too many at once. Servers with narrower limits than OpenAI's say so when
 * they are reached; then less is sent, from there on.
 */
import type OpenAI from 'openai';
import { modelError } from '../../agent/providers/failure.ts';
import { NO_KEY, OPENAI_BASE_URL, openAiClient } from '../../agent/providers/openai-client.ts';
import { DhaavakError } from '../../protocol/errors.ts';
import type { Embedder, EmbedderEvents, EmbedderSettings } from './embedder.ts';

type OpenAiSettings = Extract<EmbedderSettings, { provider: 'openai' }>;

/** OpenAI takes 2,048, others (Cohere, Google) about 100; more at once gains nothing. */
const BATCH_MAX = 96;
/**
 * Longest text, in bytes of UTF-8. The models take 8,191 tokens, and no token is shorter than a byte; a vector for more than some
 * pages says little anyway.
 */
const TEXT_BYTES_MAX = 8_000;
/** A server that refuses even this refuses something else. */
const TEXT_BYTES_MIN = 250;
/** All texts of a request, in bytes: OpenAI takes 300,000 tokens. */
const REQUEST_BYTES_MAX = 250_000;
/** Of each attempt, until the response begins. */
const ATTEMPT_TIMEOUT_MS = 20_000;
/** Of a request with its attempts, the waits between them and the whole response, in milliseconds. */
const REQUEST_TIMEOUT_MS = 60_000;

/** The API refuses texts without content. */
const NO_TEXT = '(empty)';
/** The reasons servers give for a text that is too long, or too many at once. */
const TOO_MUCH = /too (long|large|many|big)|maximum|at most|exceed|context|batch size|token limit/i;
const TOO_MUCH_STATUSES = new Set([400, 413, 422]);

/** So that the vendor's own models need not be asked before there is anything to embed. */
const KNOWN_DIMENSIONS: Readonly<Record<string, number>> = {
  'text-embedding-3-small': 1_536,
  'text-embedding-3-large': 3_072,
  'text-embedding-ada-002': 1_536,
};

/**
 * An embedder over the API. Asks it once where nobody knows how long its model's vectors are; rejects as {@link Embedder.embed} does
 * when that fails.
 */
export async function connectOpenAiEmbedder(
  settings: OpenAiSettings,
  events: EmbedderEvents,
  signal: AbortSignal,
  requestTimeoutMs = REQUEST_TIMEOUT_MS,
): Promise<Embedder> {
  const api = new EmbeddingsApi(settings, events, requestTimeoutMs);
  const known = settings.baseUrl === OPENAI_BASE_URL ? KNOWN_DIMENSIONS[settings.model] : undefined;
  const dimensions = settings.dimensions ?? known ?? (await api.vectors(['dimensions'], signal))[0]!.length;
  return new OpenAiEmbedder(api, settings, dimensions);
}

class OpenAiEmbedder implements Embedder {
  readonly id: string;
  readonly dimensions: number;
  readonly batchMax = BATCH_MAX;
  readonly #api: EmbeddingsApi;

  constructor(api: EmbeddingsApi, { model }: OpenAiSettings, dimensions: number) {
    this.#api = api;
    this.id = `openai/${model}/${dimensions}`;
    this.dimensions = dimensions;
  }

  async embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    const vectors = await this.#api.vectors(texts, signal);
    const other = vectors.find(({ length }) => length !== this.dimensions);
    if (other === undefined) return vectors;
    const message = `${this.id} sends vectors of ${other.length} numbers: set memory.embedder.dimensions to what its model makes`;
    throw new DhaavakError('model_rejected', message);
  }
}

class EmbeddingsApi {
  readonly #settings: OpenAiSettings;
  readonly #events: EmbedderEvents;
  readonly #timeoutMs: number;
  readonly #name: string;
  /** What the server has been found to take. */
  #textsMax = BATCH_MAX;
  #textBytesMax = TEXT_BYTES_MAX;
  #client: Promise<OpenAI> | undefined;

  constructor(settings: OpenAiSettings, events: EmbedderEvents, timeoutMs: number) {
    this.#settings = settings;
    this.#timeoutMs = timeoutMs;
    this.#events = events;
    this.#name = `openai/${settings.model}`;
  }

  /** Vectors of length 1, of whatever dimensions the server makes. Rejects as {@link Embedder.embed} does. */
  async vectors(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    while (vectors.length < texts.length) {
      const batch = this.#nextBatch(texts.slice(vectors.length, vectors.length + this.#textsMax));
      const made = await this.#request(batch, signal);
      // None: it was too much, and less is sent now.
      if (made !== undefined) vectors.push(...made);
    }
    return vectors;
  }

  /** As many of the texts as go into one request, cut where they have to be. */
  #nextBatch(texts: readonly string[]): string[] {
    const batch: string[] = [];
    let bytes = 0;
    for (const text of texts) {
      const sent = this.#sendable(text);
      bytes += Buffer.byteLength(sent);
      if (batch.length > 0 && bytes > REQUEST_BYTES_MAX) break;
      batch.push(sent);
    }
    return batch;
  }

  #sendable(text: string): string {
    // A unit is a byte at least: what is beyond that many never fits.
    const bytes = Buffer.from(text.slice(0, this.#textBytesMax + 1).toWellFormed());
    if (bytes.length <= this.#textBytesMax) return text.trim() === '' ? NO_TEXT : text.toWellFormed();
    // A stream keeps back the half of a sign at the end.
    const cut = new TextDecoder().decode(bytes.subarray(0, this.#textBytesMax), { stream: true });
    this.#events.onTruncated?.(text.length, cut.length);
    return cut.trim() === '' ? NO_TEXT : cut;
  }

  /** Undefined if it was too much for the server and less is tried from now on. */
  async #request(input: string[], signal: AbortSignal): Promise<Float32Array[] | undefined> {
    signal.throwIfAborted();
    const { model, dimensions, apiKey = NO_KEY, baseUrl } = this.#settings;
    const deadline = AbortSignal.timeout(this.#timeoutMs);
    try {
      this.#client ??= openAiClient({ apiKey, baseUrl, timeoutMs: ATTEMPT_TIMEOUT_MS });
      const client = await this.#client;
      const body = { model, input, ...(dimensions === undefined ? {} : { dimensions }) };
      const response: unknown = await client.embeddings.create(body, { signal: AbortSignal.any([signal, deadline]) });
      const vectors = this.#checked(response, input.length);
      const tokens = (response as { usage?: { total_tokens?: unknown } }).usage?.total_tokens;
      if (typeof tokens === 'number' && tokens > 0) this.#events.onTokens?.(tokens);
      return vectors;
    } catch (error) {
      signal.throwIfAborted();
      if (isTooMuch(error) && this.#sendLess(input)) return undefined;
      if (!deadline.aborted) throw modelError(this.#name, error, apiKey);
      const message = `${this.#name} did not answer within ${this.#timeoutMs / 1_000} s`;
      throw new DhaavakError('model_stalled', message, { cause: error });
    }
  }

  /** After a request that was too much: fewer texts, then shorter ones. False: it cannot be less. */
  #sendLess(input: readonly string[]): boolean {
    if (input.length > 1) {
      this.#textsMax = Math.ceil(input.length / 2);
      return true;
    }
    const half = Math.floor(Buffer.byteLength(input[0]!) / 2);
    if (half < TEXT_BYTES_MIN) return false;
    this.#textBytesMax = half;
    return true;
  }

  /** The vectors of a response in the order of the texts. Throws `model_unavailable` for anything but all of them. */
  #checked(response: unknown, count: number): Float32Array[] {
    const { data } = (response ?? {}) as { data?: unknown };
    if (!Array.isArray(data)) throw this.#unusable('no list of vectors');
    if (data.length !== count) throw this.#unusable(`${data.length} vectors for ${count} texts`);
    const vectors = new Array<Float32Array | undefined>(count);
    for (const [place, item] of data.entries()) {
      const { embedding, index = place } = (item ?? {}) as { embedding?: unknown; index?: unknown };
      if (typeof index !== 'number' || !(index in data) || vectors[index] !== undefined) {
        throw this.#unusable('vectors without an order');
      }
      vectors[index] = this.#normalised(embedding);
    }
    const ordered = vectors as Float32Array[];
    if (ordered.some(({ length }) => length !== ordered[0]!.length)) throw this.#unusable('vectors of several lengths');
    return ordered;
  }

  #normalised(embedding: unknown): Float32Array {
    if (!Array.isArray(embedding) || embedding.length === 0) throw this.#unusable('something that is no vector');
    let square = 0;
    for (const number of embedding as unknown[]) square += typeof number === 'number' ? number * number : Number.NaN;
    const length = Math.sqrt(square);
    if (!Number.isFinite(length) || length === 0) throw this.#unusable('a vector without a direction');
    return Float32Array.from(embedding as number[], (number) => number / length);
  }

  #unusable(what: string): DhaavakError {
    return new DhaavakError('model_unavailable', `${this.#name} could not answer: it sent ${what}`);
  }
}

function isTooMuch(error: unknown): boolean {
  const { status, message } = (error ?? {}) as { status?: unknown; message?: unknown };
  return TOO_MUCH_STATUSES.has(status as number) && typeof message === 'string' && TOO_MUCH.test(message);
}
