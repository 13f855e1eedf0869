/**
 * A stand-in for OpenAI's Embeddings API: its format, its error bodies and its refusals. Its vectors are made of the texts' bytes:
 * the same for the same text, of other lengths than 1.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { countTokens } from 'gpt-tokenizer/encoding/cl100k_base';
import { z } from 'zod';
import { OPENAI_KEY } from './openai-server.ts';

/** What its models make and take. */
const MODELS: Readonly<Record<string, { dimensions: number; chooses?: true; tokensMax: number; textsMax: number }>> = {
  'text-embedding-3-small': { dimensions: 1_536, chooses: true, tokensMax: 8_191, textsMax: 2_048 },
  'text-embedding-ada-002': { dimensions: 1_536, tokensMax: 8_191, textsMax: 2_048 },
  /** As servers of one's own are: another length, and narrow limits. */
  'own-model': { dimensions: 48, tokensMax: 512, textsMax: 8 },
};
const REQUEST_TOKENS_MAX = 300_000;

/**
 * One scripted answer instead of the right one: a refusal, or what goes wrong. `silent`: no answer at all; `stall`: the beginning of
 * one; `garbage`: no JSON; `page`: a web page; `fewer`, `ragged`, `zeros`, `nan`, `twice`: vectors that are not what was asked for;
 * `shuffled`, `floats`, `uncounted`: right ones in another order, as numbers, without the tokens used.
 */
export type EmbeddingsFault =
  | { status: number; message?: string; retryAfterMs?: number }
  | 'silent'
  | 'stall'
  | 'garbage'
  | 'page'
  | 'fewer'
  | 'ragged'
  | 'zeros'
  | 'nan'
  | 'twice'
  | 'shuffled'
  | 'floats'
  | 'uncounted';

export interface EmbeddingsServer {
  /** For the client's `baseURL`. */
  readonly url: string;
  /** The texts of each request that had some, also of those it refused. */
  readonly requests: string[][];
  script(...faults: EmbeddingsFault[]): void;
  reset(): void;
  close(): Promise<void>;
}

interface Refusal {
  status: number;
  message: string;
}

const requestSchema = z.strictObject({
  model: z.string(),
  input: z.array(z.string()).min(1),
  dimensions: z.int().min(1).optional(),
  encoding_format: z.enum(['float', 'base64']).optional(),
});

type EmbeddingsRequest = z.output<typeof requestSchema>;

export async function startEmbeddingsServer(): Promise<EmbeddingsServer> {
  const script: EmbeddingsFault[] = [];
  const requests: string[][] = [];

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const parsed = requestSchema.safeParse(await json(request));
    if (parsed.success) requests.push(parsed.data.input);
    const refusal = refuse(request, parsed);
    if (refusal) return sendRefusal(response, refusal);
    const fault = script.shift();
    if (typeof fault === 'object') return sendRefusal(response, { message: 'scripted refusal', ...fault });
    send(response, parsed.data!, fault);
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    script: (...faults) => void script.push(...faults),
    reset() {
      script.length = 0;
      requests.length = 0;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function refuse(request: IncomingMessage, parsed: z.ZodSafeParseResult<EmbeddingsRequest>): Refusal | undefined {
  if (request.url !== '/v1/embeddings') return { status: 404, message: `Invalid URL (POST ${request.url})` };
  const { authorization = '' } = request.headers;
  if (authorization !== `Bearer ${OPENAI_KEY}`) {
    return { status: 401, message: `Incorrect API key provided: ${authorization.replace('Bearer ', '')}.` };
  }
  if (!parsed.success) return { status: 400, message: `Invalid value: ${parsed.error.issues[0]!.message}` };
  const { model, input, dimensions } = parsed.data;
  const limits = MODELS[model];
  if (!limits)
    return { status: 404, message: `The model \`${model}\` does not exist or you do not have access to it.` };
  if (dimensions !== undefined && !limits.chooses) {
    return { status: 400, message: 'This model does not support specifying dimensions.' };
  }
  if (dimensions !== undefined && dimensions > limits.dimensions) {
    return {
      status: 400,
      message: `Invalid value for 'dimensions' = ${dimensions}. Must be less than or equal to ${limits.dimensions}.`,
    };
  }
  if (input.includes('')) return { status: 400, message: "Invalid 'input': input cannot be an empty string." };
  if (input.length > limits.textsMax) {
    return {
      status: 400,
      message: `Invalid 'input': maximum array length is ${limits.textsMax}, got ${input.length}.`,
    };
  }
  const tokens = input.map(tokensOf);
  if (Math.max(...tokens) > limits.tokensMax) {
    const most = `This model's maximum context length is ${limits.tokensMax} tokens`;
    return {
      status: 400,
      message: `${most}, however you requested ${Math.max(...tokens)}. Please reduce your prompt.`,
    };
  }
  if (tokens.reduce((sum, count) => sum + count) <= REQUEST_TOKENS_MAX) return undefined;
  return { status: 400, message: `Invalid 'input': maximum request size is ${REQUEST_TOKENS_MAX} tokens per request.` };
}

function tokensOf(text: string): number {
  return countTokens(text);
}

function sendRefusal(
  response: ServerResponse,
  { status, message, ...rest }: Refusal & { retryAfterMs?: number },
): void {
  const wait = rest.retryAfterMs;
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(wait === undefined ? {} : { 'retry-after': String(Math.ceil(wait / 1_000)), 'retry-after-ms': String(wait) }),
  });
  const type = status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error';
  response.end(JSON.stringify({ error: { message, type, param: null, code: null } }));
}

function send(
  response: ServerResponse,
  request: EmbeddingsRequest,
  fault: Exclude<EmbeddingsFault, object> | undefined,
): void {
  if (fault === 'silent') return;
  if (fault === 'page') {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Please log in</title>');
    return;
  }
  const whole = JSON.stringify(answer(request, fault));
  response.writeHead(200, { 'content-type': 'application/json' });
  if (fault === 'stall') response.write(whole.slice(0, whole.length / 2));
  else response.end(fault === 'garbage' ? whole.slice(0, whole.length / 2) : whole);
}

function answer(
  { model, input, dimensions, encoding_format }: EmbeddingsRequest,
  fault: EmbeddingsFault | undefined,
): object {
  const length = dimensions ?? MODELS[model]!.dimensions;
  const vectors = input.map((text) => embeddingOf(text, length));
  if (fault === 'fewer') vectors.pop();
  if (fault === 'ragged') vectors[0] = vectors[0]!.slice(1);
  if (fault === 'zeros') vectors[0]!.fill(0);
  if (fault === 'nan') vectors[0]![1] = Number.NaN;
  const base64 = encoding_format === 'base64' && fault !== 'floats';
  const data = vectors.map((vector, index) => ({
    object: 'embedding',
    index: fault === 'twice' ? 0 : index,
    embedding: base64 ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : vector,
  }));
  if (fault === 'shuffled') data.reverse();
  const tokens = input.reduce((sum, text) => sum + tokensOf(text), 0);
  const usage = fault === 'uncounted' ? {} : { usage: { prompt_tokens: tokens, total_tokens: tokens } };
  return { object: 'list', data, model, ...usage };
}

/** What a text's vector is before anybody has made its length 1. */
export function embeddingOf(text: string, length: number): number[] {
  const bytes = Buffer.from(text);
  return Array.from({ length }, (_, i) => Math.sin(i + 1 + bytes[i % bytes.length]! * (1 + (i % 7))) * 3);
}
