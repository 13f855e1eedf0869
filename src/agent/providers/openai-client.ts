import type OpenAI from 'openai';
import { patientFetch, RETRIES_MAX } from './failure.ts';

/** Where the vendor itself answers. */
export const OPENAI_BASE_URL = 'https://api.openai.com/v1';

/** For a compatible server of one's own that wants no key; the SDKs do want one. */
export const NO_KEY = 'no-key';

export interface OpenAiClientOptions {
  apiKey: string;
  baseUrl: string;
  /** Default: waits no longer than it is worth for a Retry-After, see `patientFetch`. */
  fetch?: typeof patientFetch;
  /** Of each attempt, until the response begins. Default: the SDK's, ten minutes. */
  timeoutMs?: number;
}

/** A client of OpenAI's API or a compatible one. The SDK costs about 70 ms and 20 MB to load: not before the first request. */
export async function openAiClient({ apiKey, baseUrl, fetch, timeoutMs }: OpenAiClientOptions): Promise<OpenAI> {
  const { OpenAI: Client } = await import('openai');
  return new Client({
    apiKey,
    baseURL: baseUrl,
    // Null, not undefined: the SDK would read these from the environment, and configuration has one source.
    organization: null,
    project: null,
    webhookSecret: null,
    maxRetries: RETRIES_MAX,
    fetch: fetch ?? patientFetch,
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
    // Its log would put conversations on the console.
    logLevel: 'off',
  });
}
