/**
 * What to do about a message that a platform did not take, by the kind of its `ChannelError`. Pure.
 *
 *     nextTry(error, { attempts, firstAt, now, detectsDuplicates }, Math.random)
 *        → { type: 'retry', afterMs }      the same message, with the same key
 *          { type: 'hold' }                the account's credentials are not good: when it is ready again
 *          { type: 'move', to }            the chat has another id now: the same message there, at once
 *          { type: 'unknown' }             it may or may not be there, and a second one would show: marked and reported
 *          { type: 'give-up', reason }     it will never be there: marked and reported
 */
import { ChannelError, type ChannelErrorKind } from '../channels/adapter.ts';

/** Backoff: a random time up to a limit that begins with this and doubles with each try ("full jitter", AWS). */
const BACKOFF_MIN_MS = 1_000;
const BACKOFF_MAX_MS = 300_000;
/** Even a lucky draw leaves the platform this long. */
const WAIT_MIN_MS = 100;
/** Added to the time a platform asks for, so that not all chats come back at once. */
const SPREAD_MS = 1_000;
/** A message is given up this long after its first try: nobody waits for an answer of yesterday. */
export const GIVE_UP_MS = 24 * 3_600_000;

const KINDS: ReadonlySet<unknown> = new Set<ChannelErrorKind>([
  'rate_limited',
  'temporary',
  'rejected',
  'gone',
  'unauthorized',
  'too_large',
  'unknown',
]);

export interface Tries {
  /** Tries so far, the failed one included: from 1 on. */
  attempts: number;
  /** When the first one was, and what the time is, in milliseconds of a clock that only grows. */
  firstAt: number;
  now: number;
  /** As the adapter's capabilities say. */
  detectsDuplicates: boolean;
}

export type NextTry =
  | { readonly type: 'retry'; readonly afterMs: number }
  | { readonly type: 'hold' }
  | { readonly type: 'move'; readonly to: string }
  | { readonly type: 'unknown' }
  | { readonly type: 'give-up'; readonly reason: string };

/** `random` in [0, 1). */
export function nextTry(error: ChannelError, tries: Tries, random: () => number): NextTry {
  switch (error.kind) {
    case 'rejected':
    case 'too_large':
      return { type: 'give-up', reason: error.message };
    case 'gone':
      return error.movedTo === undefined
        ? { type: 'give-up', reason: error.message }
        : { type: 'move', to: error.movedTo };
    case 'unknown':
      return tries.detectsDuplicates ? later(error, tries, random) : { type: 'unknown' };
    case 'unauthorized':
      return isLate(tries, 0) ? late(error) : { type: 'hold' };
    case 'rate_limited':
    case 'temporary':
      return later(error, tries, random);
  }
}

/** What an adapter threw; a custom one has no class of ours, only a `kind`. An error without one says nothing of what was sent. */
export function asChannelError(thrown: unknown): ChannelError {
  if (thrown instanceof ChannelError) return thrown;
  const error = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as Partial<ChannelError>;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const { retryAfterMs, movedTo } = error;
  return new ChannelError(KINDS.has(error.kind) ? (error.kind as ChannelErrorKind) : 'unknown', message, {
    retryAfterMs,
    movedTo,
    cause: thrown,
  });
}

function later(error: ChannelError, tries: Tries, random: () => number): NextTry {
  const afterMs = waitMs(error, tries.attempts, random);
  // With `unknown`, the last try may have worked: what cannot be asked again stays unknown.
  if (isLate(tries, afterMs)) return error.kind === 'unknown' ? { type: 'unknown' } : late(error);
  return { type: 'retry', afterMs };
}

function waitMs({ retryAfterMs }: ChannelError, attempts: number, random: () => number): number {
  if (retryAfterMs !== undefined) return Math.ceil(retryAfterMs + random() * SPREAD_MS);
  const limitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (attempts - 1));
  return Math.max(WAIT_MIN_MS, Math.round(random() * limitMs));
}

function isLate({ firstAt, now }: Tries, afterMs: number): boolean {
  return now + afterMs - firstAt >= GIVE_UP_MS;
}

function late(error: ChannelError): NextTry {
  return { type: 'give-up', reason: `tried for ${GIVE_UP_MS / 3_600_000} hours; the last time: ${error.message}` };
}
