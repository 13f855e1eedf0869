/** Goal: an update is handled once, however often it is delivered. Method: a clock that stands still until it is moved. */
import { expect, it } from 'vitest';
import { Dedupe, REMEMBERED_MAX, REMEMBERED_MS } from '../../src/inbound/dedupe.ts';
import { ManualClock } from '../support/manual-clock.ts';

it('the same update five times at once is handled once, and all hear when that is done', async () => {
  const dedupe = new Dedupe(new ManualClock());
  const handled = Promise.withResolvers<void>();
  let calls = 0;
  const done: number[] = [];
  const all = [1, 2, 3, 4, 5].map(async (number) => {
    await dedupe.once('u1', () => {
      calls += 1;
      return handled.promise;
    });
    done.push(number);
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect([calls, done]).toEqual([1, []]);
  handled.resolve();
  await Promise.all(all);
  expect([calls, done.length]).toEqual([1, 5]);
});

it('an update whose handling failed is handled when it comes again', async () => {
  const dedupe = new Dedupe(new ManualClock());
  await expect(dedupe.once('u1', () => Promise.reject(new Error('no disk')))).rejects.toThrow('no disk');
  let calls = 0;
  const handle = async () => {
    calls += 1;
  };
  await dedupe.once('u1', handle);
  await dedupe.once('u1', handle);
  expect(calls).toBe(1);
});

it('is forgotten after a day, and earlier only where there are too many', async () => {
  const clock = new ManualClock();
  const dedupe = new Dedupe(clock);
  let calls = 0;
  const once = (update: string) =>
    dedupe.once(update, async () => {
      calls += 1;
    });
  await once('u1');
  await clock.advance(REMEMBERED_MS - 1);
  await once('u1');
  expect(calls).toBe(1);
  await clock.advance(1);
  await once('u1');
  expect(calls).toBe(2);
  for (let i = 2; i <= REMEMBERED_MAX; i += 1) await once(`u${i}`);
  calls = 0;
  await once('u1');
  expect(calls).toBe(0);
  await once('one more');
  await once('u1');
  expect(calls).toBe(2);
});
