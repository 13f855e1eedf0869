/**
 * Goal: whoever sets the machine's clock, by days, forwards or back, changes no duration. Method: actors on a manual clock that is
 * set meanwhile; and of times on the disk a property over clocks that are set again and again.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/runtime/limits.ts';
import { PassedTime } from '../../src/runtime/passed-time.ts';
import { Harness } from './harness.ts';

const DAY_MS = 86_400_000;
const IDLE_MS = 600_000;

describe.each([
  ['forwards', 3 * DAY_MS],
  ['back', -3 * DAY_MS],
])('when the clock is set %s by days', (_, shiftMs) => {
  it('an idle actor leaves memory when it was idle, no earlier and no later', async () => {
    const harness = new Harness();
    const ref = harness.ref(() => ({ receive: (message) => message }), { idleMs: IDLE_MS });
    await ref.tell('one');
    await harness.clock.advance(2 * DEFAULT_LIMITS.sweepMs); // found idle
    harness.clock.shiftWall(shiftMs);
    await harness.clock.advance(IDLE_MS - 3 * DEFAULT_LIMITS.sweepMs);
    expect(harness.system.stats().actors).toBe(1);
    await harness.clock.advance(4 * DEFAULT_LIMITS.sweepMs);
    expect(harness.system.stats().actors).toBe(0);
  });

  it('an actor that is stopped for crashing too often comes back after its time, and says how long that is', async () => {
    const harness = new Harness({ attemptsMax: 1_000 });
    const ref = harness.ref(() => ({
      receive() {
        throw new Error('again');
      },
    }));
    await ref.tell('bad');
    await harness.clock.advance(DEFAULT_LIMITS.restartWindowMs / 2);
    expect(harness.eventsOf('stopped')).toHaveLength(1);
    harness.clock.shiftWall(shiftMs);
    const refused = await ref.tell('more').catch((error: unknown) => error);
    const { retryAfterMs } = refused as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(DEFAULT_LIMITS.restartWindowMs);
    const { restarts } = harness.system.stats();
    await harness.clock.advance(retryAfterMs + 1_000);
    expect(harness.system.stats().restarts).toBeGreaterThan(restarts);
  });
});

describe('time that has passed since the wall clock said something', () => {
  const step = fc.oneof(
    fc.record({ waitMs: fc.integer({ min: 1_500, max: DAY_MS }) }),
    fc.record({
      setMs: fc.oneof(fc.integer({ min: -2 * DAY_MS, max: -2_000 }), fc.integer({ min: 2_000, max: 2 * DAY_MS })),
    }),
  );

  it('is never more than has, and exactly that where the clock said it once and it is not still to come', () => {
    const check = fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let elapsed = 0;
      let shift = 1_700_000_000_000;
      const passed = new PassedTime(
        () => elapsed + shift,
        () => elapsed,
      );
      /** Stretches of time in which the clock was not set: from when to when, and what it was off by. */
      const stretches = [{ from: 0, to: 0, shift }];
      const marks: { elapsed: number; wall: number }[] = [];
      for (const one of steps) {
        if ('setMs' in one) {
          passed.look(); // it is looked at often
          shift += one.setMs;
          stretches.push({ from: elapsed, to: elapsed, shift });
          passed.look();
        } else elapsed += one.waitMs;
        stretches.at(-1)!.to = elapsed;
        marks.push({ elapsed, wall: elapsed + shift });
      }
      for (const mark of marks) {
        const truth = elapsed - mark.elapsed;
        const said = stretches.filter(
          (s) => mark.wall >= s.from + s.shift - 1_000 && mark.wall <= s.to + s.shift + 1_000,
        );
        const since = passed.since(mark.wall);
        expect(since).toBeLessThanOrEqual(truth);
        const once = said.length === 1 && mark.wall <= elapsed + shift;
        if (once) expect(since).toBe(truth);
      }
    });
    fc.assert(check, { numRuns: 500 });
  });
});
