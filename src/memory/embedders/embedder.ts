/** What turns texts into vectors for the memory: the built-in one, or a server's. One file each beside this one. */

/** Turns texts into vectors of one length whose direction is what they mean. */
export interface Embedder {
  /**
   * Names what its vectors are comparable with, such as `offline/1` or `openai/text-embedding-3-small/1536`: another id means
   * the entries must be embedded again.
   */
  readonly id: string;
  readonly dimensions: number;
  /** Texts at once, at most. */
  readonly batchMax: number;
  /**
   * Vectors of length 1 in the order of `texts`, for any string, an empty one too. Rejects with
   * a `DhaavakError`, whose code says whether a retry is worth it and `retryAfterMs` when, or with the reason of `signal`.
   * Never partial.
   */
  embed(texts: readonly string[], signal: AbortSignal): Promise<Float32Array[]>;
}

/** Which embedder, complete: see `embedderSettings`. Plain data, so that a thread can be given it. */
export type EmbedderSettings =
  | { provider: 'offline' }
  | {
      provider: 'openai';
      model: string;
      baseUrl: string;
      /** Undefined: the server wants none. */
      apiKey?: string;
      /** Of its vectors. Undefined: the model's own, found out by asking once. */
      dimensions?: number;
    };

/** What an embedder tells while it works. */
export interface EmbedderEvents {
  /** The server has counted this many tokens: what one request costs. Not called by the built-in one. */
  onTokens?(tokens: number): void;
  /** A text was longer than the model takes, and its end was left out. Lengths in UTF-16 code units. */
  onTruncated?(length: number, kept: number): void;
}
