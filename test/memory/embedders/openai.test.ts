/**
 * Goal: the embedder over OpenAI's API asks for nothing a server refuses, takes nothing that is not what it asked for, and says
 * whether another try is worth it.
 * Method: the real SDK against a local server with the API's refusals and scripted faults.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { EmbedderEvents } from '../../../src/memory/embedders/embedder.ts';
import { connectOpenAiEmbedder } from '../../../src/memory/embedders/openai.ts';
import { DhaavakError } from '../../../src/protocol/errors.ts';
import { type EmbeddingsServer, embeddingOf, startEmbeddingsServer } from '../../support/embeddings-server.ts';
import { OPENAI_KEY } from '../../support/openai-server.ts';
import { until } from '../../support/wait.ts';

const never = new AbortController().signal;
let server: EmbeddingsServer;

beforeAll(async () => {
  server = await startEmbeddingsServer();
});
afterEach(() => server.reset());
afterAll(() => server.close());

function connect(
  settings: { model?: string; apiKey?: string; dimensions?: number } = {},
  events: EmbedderEvents = {},
  timeoutMs?: number,
) {
  const defaults = { provider: 'openai' as const, model: 'own-model', baseUrl: server.url, apiKey: OPENAI_KEY };
  return connectOpenAiEmbedder({ ...defaults, ...settings }, events, never, timeoutMs);
}

async function failure(promise: Promise<unknown>): Promise<DhaavakError> {
  const error = await promise.then(
    () => expect.fail('it did not fail'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DhaavakError);
  return error as DhaavakError;
}

/** The cosine of two vectors, the first of length 1. */
function likeness(a: Float32Array, b: readonly number[]): number {
  return a.reduce((sum, number, i) => sum + number * b[i]!, 0) / Math.hypot(...b);
}

describe('vectors', () => {
  test.each(['shuffled', 'floats', 'uncounted'] as const)(
    'of length 1, in the order of the texts (%s)',
    async (way) => {
      const embedder = await connect();
      server.script(way);
      const texts = ['one', 'two', 'three'];
      const vectors = await embedder.embed(texts, never);
      for (const [i, vector] of vectors.entries()) {
        expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
        expect(likeness(vector, embeddingOf(texts[i]!, 48))).toBeCloseTo(1, 5);
      }
    },
  );

  test('their length is found out by asking once, or is what the configuration says', async () => {
    expect(await connect()).toMatchObject({ id: 'openai/own-model/48', dimensions: 48 });
    expect(server.requests).toHaveLength(1);
    const small = await connect({ model: 'text-embedding-3-small', dimensions: 256 });
    expect(small.id).toBe('openai/text-embedding-3-small/256');
    expect(server.requests).toHaveLength(1);
    expect((await small.embed(['text'], never))[0]).toHaveLength(256);
  });

  test("the vendor's own models are known: nothing is asked before there is something to embed", async () => {
    const settings = {
      provider: 'openai',
      model: 'text-embedding-3-large',
      baseUrl: 'https://api.openai.com/v1',
    } as const;
    expect(await connectOpenAiEmbedder(settings, {}, never)).toMatchObject({ dimensions: 3_072 });
  });

  test('of another length than before are refused', async () => {
    const embedder = await connect();
    server.script('ragged');
    const error = await failure(embedder.embed(['text'], never));
    expect(error).toMatchObject({ code: 'model_rejected', retryable: false });
    expect(error.message).toContain('vectors of 47 numbers: set memory.embedder.dimensions');
  });
});

describe('what is sent', () => {
  test('no empty text, no half of a sign, nothing over the limits of the API', async () => {
    const cut: number[][] = [];
    const embedder = await connect(
      { model: 'text-embedding-3-small', dimensions: 8 },
      { onTruncated: (...lengths) => cut.push(lengths) },
    );
    const texts = ['', ' \n', '\ud800 lone', '😀'.repeat(5_000), 'x\u0000y', `a${'é'.repeat(9_000)}`];
    const vectors = await embedder.embed(texts, never);
    expect(vectors).toHaveLength(6);
    const [empty, blank, lone, emoji, , accents] = server.requests[0]!;
    expect([empty, blank, lone]).toEqual(['(empty)', '(empty)', '\ufffd lone']);
    expect(emoji).toBe('😀'.repeat(2_000));
    expect(accents).toBe(`a${'é'.repeat(3_999)}`);
    expect(cut).toEqual([
      [10_000, 4_000],
      [9_001, 4_000],
    ]);
  });

  test('many long texts go in several requests, each within the limit of tokens', async () => {
    const embedder = await connect({ model: 'text-embedding-3-small', dimensions: 8 });
    const texts = Array.from({ length: embedder.batchMax }, (_, i) => `${i} `.repeat(4_000).slice(0, 7_900));
    expect(await embedder.embed(texts, never)).toHaveLength(texts.length);
    expect(server.requests.flat()).toEqual(texts);
    expect(server.requests.length).toBeGreaterThan(1);
  });

  test('a server that takes less is sent less from then on', async () => {
    const embedder = await connect();
    const texts = Array.from({ length: 20 }, (_, i) => `text ${i}`);
    const vectors = await embedder.embed(texts, never);
    expect(vectors.map((vector, i) => likeness(vector, embeddingOf(texts[i]!, 48)) > 0.999)).not.toContain(false);
    server.requests.length = 0;
    await embedder.embed(texts, never);
    expect(server.requests.map(({ length }) => length)).toEqual([5, 5, 5, 5]);

    const long = 'tokens of a language model '.repeat(300);
    expect(await embedder.embed([long], never)).toHaveLength(1);
    expect(long.startsWith(server.requests.at(-1)![0]!)).toBe(true);
  });

  test('the tokens that the server has counted are told, request by request', async () => {
    const told: number[] = [];
    const embedder = await connect(
      { model: 'text-embedding-3-small', dimensions: 8 },
      { onTokens: (tokens) => told.push(tokens) },
    );
    await embedder.embed(['hello world'], never);
    server.script('uncounted');
    await embedder.embed(['hello again'], never);
    expect(told).toEqual([2]);
  });
});

describe('failures', () => {
  test('a wrong key is not worth another try, and the error does not repeat it', async () => {
    const error = await failure(connect({ apiKey: 'my-secret-embedding-key' }));
    expect(error).toMatchObject({ code: 'model_rejected', retryable: false });
    expect(error.message).toContain('openai/own-model refused the request (401)');
    expect(JSON.stringify([error.message, error.toWire()])).not.toContain('my-secret');
  });

  test('a model or length the server does not have is said', async () => {
    expect((await failure(connect({ model: 'no-such-model' }))).message).toContain('does not exist');
    const ada = await connect({ model: 'text-embedding-ada-002', dimensions: 8 });
    expect((await failure(ada.embed(['text'], never))).message).toContain('does not support specifying dimensions');
    expect(server.requests).toHaveLength(2);
  });

  test('a rate limit is waited for where the wait is short, else told', async () => {
    const embedder = await connect();
    server.script({ status: 429, retryAfterMs: 1 }, { status: 500 });
    expect(await embedder.embed(['text'], never)).toHaveLength(1);
    expect(server.requests).toHaveLength(4);
    server.script({ status: 429, retryAfterMs: 90_000 });
    const error = await failure(embedder.embed(['text'], never));
    expect(error).toMatchObject({ code: 'model_unavailable', retryable: true, retryAfterMs: 90_000 });
    expect(server.requests).toHaveLength(5);
  });

  test.each([
    ['garbage', /JSON|Unexpected|Unterminated/],
    ['page', /no list of vectors/],
    ['fewer', /1 vectors for 2 texts/],
    ['ragged', /several lengths/],
    ['zeros', /without a direction/],
    ['nan', /without a direction/],
    ['twice', /without an order/],
  ] as const)('%s in place of an answer: nothing is taken of it, and it may be tried again', async (fault, message) => {
    const embedder = await connect();
    server.script(fault);
    const error = await failure(embedder.embed(['one', 'two'], never));
    expect(error).toMatchObject({ code: 'model_unavailable', retryable: true });
    expect(error.message).toMatch(message);
    expect(await embedder.embed(['one', 'two'], never)).toHaveLength(2);
  });

  test.each(['silent', 'stall'] as const)('a server that falls silent (%s) is given up in time', async (fault) => {
    const embedder = await connect({ model: 'text-embedding-3-small', dimensions: 8 }, {}, 300);
    server.script(fault);
    const error = await failure(embedder.embed(['text'], never));
    expect(error).toMatchObject({ code: 'model_stalled', retryable: true });
  });

  test('nobody there', async () => {
    const error = await failure(
      connectOpenAiEmbedder({ provider: 'openai', model: 'm', baseUrl: 'http://127.0.0.1:1/v1' }, {}, never),
    );
    expect(error).toMatchObject({ code: 'model_unavailable', retryable: true });
  });

  test('an abort ends the request with its reason', async () => {
    const embedder = await connect();
    server.reset();
    server.script('silent');
    const controller = new AbortController();
    const reason = new Error('nobody waits any more');
    const embedding = embedder.embed(['text'], controller.signal);
    await until(5_000, async () => server.requests[0], 'the request');
    controller.abort(reason);
    await expect(embedding).rejects.toBe(reason);
    await expect(embedder.embed(['text'], controller.signal)).rejects.toBe(reason);
  });
});
