/** Goal: delays grow, stay within their bounds, and are spread over all of them. */
import { expect, test } from 'vitest';
import { backoffMs, pause, RECONNECT_DEFAULTS } from '../../src/client/backoff.ts';

test('the bound of the delay doubles from 250 ms to 30 s', () => {
  const bounds = Array.from({ length: 10 }, (_, attempt) => backoffMs(attempt, RECONNECT_DEFAULTS, () => 1));
  expect(bounds).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  expect(backoffMs(5_000, RECONNECT_DEFAULTS, () => 1)).toBe(30_000);
});

test('the delay is anything from 0 to its bound', () => {
  expect([0, 0.25, 0.5].map((random) => backoffMs(2, RECONNECT_DEFAULTS, () => random))).toEqual([0, 250, 500]);
});

test('a pause ends at once when its signal aborts, before or during', async () => {
  await pause(3_600_000, AbortSignal.abort());
  const abort = new AbortController();
  const paused = pause(3_600_000, abort.signal);
  abort.abort();
  await paused;
});
