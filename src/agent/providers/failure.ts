/** What every provider over HTTP does alike when the API fails: which of our errors it is, and when a retry is worth it. */
import { DhaavakError } from '../../protocol/errors.ts';
import { ContextOverflow, refusedForLength } from '../overflow.ts';

/** Attempts the SDK makes again before any output: rate limit, overload, network. More would only hide an outage. */
export const RETRIES_MAX = 2;
/**
 * The longest Retry-After that is waited for, in milliseconds. The SDKs would sleep for whatever the API asks, an hour
 * included; twice this is still below the stall limit, so that the user learns the reason instead of "stalled".
 */
const RETRY_AFTER_MAX_MS = 20_000;
/** An API's reason may be a whole HTML page. */
const REASON_LENGTH_MAX = 500;

/** Statuses that are worth another try besides 5xx: timeout, conflict and rate limit. */
const RETRYABLE_STATUSES = new Set([408, 409, 425, 429]);
/** The same for a failure inside a stream, which has a type but no status. */
const REJECTING_TYPES = new Set([
  'invalid_request_error',
  'authentication_error',
  'permission_error',
  'not_found_error',
  'billing_error',
]);

/** The parts that both SDKs' `APIError` has. `error` is the body of the response, or the `error` in it. */
interface ApiError {
  status?: number;
  headers?: Headers;
  error?: unknown;
}

/**
 * `thrown` by an SDK as the error a user may see. The API's own reason is kept, without `secret`: APIs like to repeat
 * the key they refuse.
 */
export function modelError(provider: string, thrown: unknown, secret: string): DhaavakError {
  if (thrown instanceof DhaavakError) return thrown;
  const { status, headers, error } = (thrown ?? {}) as ApiError;
  const detail = errorDetail(error);
  const reason = withoutKeys(detail.message ?? describe(thrown), secret).slice(0, REASON_LENGTH_MAX);
  const refused = refusedForLength(status, `${reason} ${shortJson(error)}`);
  if (refused !== undefined) {
    const message = `${provider} refused the request${status === undefined ? '' : ` (${status})`}: ${reason}`;
    return new ContextOverflow(message, refused, thrown);
  }
  const rejected =
    status === undefined
      ? REJECTING_TYPES.has(detail.type ?? '')
      : status >= 400 && status < 500 && !RETRYABLE_STATUSES.has(status);
  const retryAfterMs = rejected || !(headers instanceof Headers) ? undefined : retryAfter(headers);
  return new DhaavakError(
    rejected ? 'model_rejected' : 'model_unavailable',
    `${provider} ${rejected ? 'refused the request' : 'could not answer'}${status === undefined ? '' : ` (${status})`}: ${reason}`,
    { cause: thrown, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  );
}

/** The stream stopped before the API said that the answer is whole. */
export function cutShort(provider: string): DhaavakError {
  return new DhaavakError('model_unavailable', `${provider} could not answer: the stream was cut before its end`);
}

/** The arguments of a call to `tool` are no usable JSON: the model, or what is between it and us, wrote nonsense. */
export function brokenCall(provider: string, tool: string, cause: unknown): DhaavakError {
  const reason = cause instanceof Error ? cause.message : 'unusable';
  const message = `${provider} could not answer: the arguments of its call to ${tool} are not usable JSON (${reason})`;
  return new DhaavakError('model_unavailable', message, { cause });
}

/** `fetch` for the SDKs: a Retry-After above the limit is not waited for but reported at once. */
export async function patientFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const response = await fetch(input, init);
  if (response.ok || (retryAfter(response.headers) ?? 0) <= RETRY_AFTER_MAX_MS) return response;
  const headers = new Headers(response.headers);
  headers.set('x-should-retry', 'false');
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

/** `retry-after-ms`, or `retry-after` in seconds or as a date; in milliseconds. */
function retryAfter(headers: Headers): number | undefined {
  const exact = Number.parseFloat(headers.get('retry-after-ms') ?? '');
  if (exact >= 0) return exact;
  const header = headers.get('retry-after');
  if (header === null) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, Math.round(ms)) : undefined;
}

/** OpenAI's SDK hands over the `error` of the body, Anthropic's the whole body. */
function errorDetail(error: unknown): { type?: string; message?: string } {
  if (error === null || typeof error !== 'object') return {};
  const { error: inner, type, message } = error as { error?: unknown; type?: unknown; message?: unknown };
  if (inner !== undefined) return errorDetail(inner);
  return {
    ...(typeof type === 'string' ? { type } : {}),
    ...(typeof message === 'string' ? { message } : {}),
  };
}

/** All an API has sent, for what stands beside its message. */
function shortJson(error: unknown): string {
  return error !== null && typeof error === 'object' ? JSON.stringify(error).slice(0, 2 * REASON_LENGTH_MAX) : '';
}

/** A network error says little in its message ("fetch failed") and the rest in its causes. */
function describe(thrown: unknown): string {
  const messages: string[] = [];
  for (let error = thrown; error instanceof Error && messages.length < 3; error = error.cause) {
    if (error.message && !messages.includes(error.message)) messages.push(error.message);
  }
  return messages.join(': ') || 'unknown failure';
}

function withoutKeys(text: string, secret: string): string {
  return text.replaceAll(secret, '[key]').replace(/\bsk-[\w*.-]{4,}/g, '[key]');
}
