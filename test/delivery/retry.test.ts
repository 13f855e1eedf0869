/** Goal: a message is tried again where that helps, at the right time, and not for ever. Pure: no clock, no chance. */
import { expect, it } from 'vitest';
import { ChannelError } from '../../src/channels/adapter.ts';
import { asChannelError, GIVE_UP_MS, nextTry, type Tries } from '../../src/delivery/retry.ts';

const tries = (changes: Partial<Tries> = {}): Tries => {
  return { attempts: 1, firstAt: 0, now: 0, detectsDuplicates: false, ...changes };
};
const next = (error: ChannelError, changes: Partial<Tries> = {}, random = 0.5) =>
  nextTry(error, tries(changes), () => random);
const temporary = new ChannelError('temporary', 'bad gateway');

it('waits a random time below a limit that doubles, up to five minutes', () => {
  const limits = [1, 2, 3, 9, 10, 50].map((attempts) => next(temporary, { attempts }, 1));
  expect(limits).toEqual([1, 2, 4, 256, 300, 300].map((s) => ({ type: 'retry', afterMs: s * 1_000 })));
  expect(next(temporary, { attempts: 5 }, 0.5)).toEqual({ type: 'retry', afterMs: 8_000 });
  expect(next(temporary, { attempts: 5 }, 0)).toEqual({ type: 'retry', afterMs: 100 });
});

it('never comes before the time a platform asks for, however often it was tried', () => {
  const limited = new ChannelError('rate_limited', 'slow down', { retryAfterMs: 7_000 });
  expect(next(limited, {}, 0)).toEqual({ type: 'retry', afterMs: 7_000 });
  expect(next(limited, { attempts: 20 }, 1)).toEqual({ type: 'retry', afterMs: 8_000 });
  expect(next(new ChannelError('rate_limited', 'slow down'), {}, 1)).toEqual({ type: 'retry', afterMs: 1_000 });
});

it('gives up at once what will never work, and after a day what might have', () => {
  for (const kind of ['rejected', 'too_large', 'gone'] as const) {
    expect(next(new ChannelError(kind, 'no'))).toEqual({ type: 'give-up', reason: 'no' });
  }
  expect(next(temporary, { now: GIVE_UP_MS - 501 })).toEqual({ type: 'retry', afterMs: 500 });
  const reason = 'tried for 24 hours; the last time: bad gateway';
  expect(next(temporary, { now: GIVE_UP_MS - 500 })).toEqual({ type: 'give-up', reason });
  const tomorrow = new ChannelError('rate_limited', 'bad gateway', { retryAfterMs: GIVE_UP_MS });
  expect(next(tomorrow)).toEqual({ type: 'give-up', reason });
});

it('follows a chat that moved, and holds what waits for good credentials, for a day', () => {
  expect(next(new ChannelError('gone', 'upgraded', { movedTo: '-100' }))).toEqual({ type: 'move', to: '-100' });
  const unauthorized = new ChannelError('unauthorized', 'bad token');
  expect(next(unauthorized)).toEqual({ type: 'hold' });
  expect(next(unauthorized, { now: GIVE_UP_MS }).type).toBe('give-up');
});

it('sends again what may be there only where a second one does not show', () => {
  const unknown = new ChannelError('unknown', 'connection lost');
  expect(next(unknown)).toEqual({ type: 'unknown' });
  expect(next(unknown, { detectsDuplicates: true })).toEqual({ type: 'retry', afterMs: 500 });
  expect(next(unknown, { detectsDuplicates: true, now: GIVE_UP_MS })).toEqual({ type: 'unknown' });
});

it("takes a custom adapter's error by its kind; of any other nobody knows what was done", () => {
  const custom = Object.assign(new Error('wait'), { kind: 'rate_limited', retryAfterMs: 5 });
  expect(asChannelError(custom)).toMatchObject({ kind: 'rate_limited', message: 'wait', retryAfterMs: 5 });
  expect(asChannelError(new TypeError('x is undefined'))).toMatchObject({ kind: 'unknown', message: 'x is undefined' });
  expect(asChannelError(undefined).kind).toBe('unknown');
  expect(asChannelError(temporary)).toBe(temporary);
});
