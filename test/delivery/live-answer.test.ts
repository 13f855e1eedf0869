/**
 * Goal: an answer is seen while it is made, at the platform's pace, and whatever fails on the way, what `finish` tells is
 * the final text, once, in order. Method: a platform in memory that fails as told, and a clock that stands still until it
 * is moved.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunk } from '../../src/delivery/chunk.ts';
import { type Failure, setUp, told, WORDS } from '../support/live-answer.ts';

describe('off', () => {
  it('shows nothing but typing, and leaves the whole answer to the outbox', async () => {
    const { clock, platform, live } = setUp('off');
    live.delta(WORDS);
    await clock.advance(10_000);
    expect(await live.seal()).toBeUndefined();
    expect(await live.finish(WORDS.repeat(3))).toEqual({ shown: [], rest: chunk(WORDS.repeat(3), 100) });
    expect([platform.calls, platform.typed.length]).toEqual([[], 3]);
  });

  it('is what edit is where a platform cannot edit', async () => {
    const { clock, platform, live } = setUp('edit', { edits: false });
    live.delta(WORDS);
    await clock.advance(10_000);
    expect([platform.calls, (await live.finish(WORDS)).rest]).toEqual([[], [WORDS.trim()]]);
  });
});

describe('typing', () => {
  it('is kept up from the start to the end, and renewed before it goes out', async () => {
    const { clock, platform, live } = setUp('edit');
    const start = clock.now();
    await clock.advance(12_500);
    expect(platform.typed.map((at) => at - start)).toEqual([300, 4_300, 8_300, 12_300]);
    await live.abandon();
    await clock.advance(60_000);
    expect(platform.typed).toHaveLength(4);
    expect(clock.waiting).toBe(0);
  });

  it('is not shown for an answer that is there at once', async () => {
    const { clock, platform, live } = setUp('off');
    await clock.advance(299);
    await live.seal();
    await clock.advance(60_000);
    expect(platform.typed).toEqual([]);
  });

  it('ends when nothing was heard of the answer for ten minutes', async () => {
    const { clock, platform, live } = setUp('off');
    await clock.advance(500_000);
    live.delta('x');
    await clock.advance(599_999);
    const typed = platform.typed.length;
    await clock.advance(600_000);
    expect(platform.typed.length).toBe(typed);
    expect(clock.waiting).toBe(0);
  });

  it('is not shown where there is none', async () => {
    const { clock, platform } = setUp('edit', { typingMs: 0 });
    await clock.advance(60_000);
    expect(platform.typed).toEqual([]);
  });
});

describe('whatever fails', () => {
  it('what finish tells is the final text once and in order, and what it says is shown is on the platform', async () => {
    const failure: fc.Arbitrary<Failure | undefined> = fc.oneof(
      { weight: 4, arbitrary: fc.constant(undefined) },
      {
        weight: 3,
        arbitrary: fc.constantFrom<Failure>('temporary', 'unknown', 'lost', 'rejected', 'gone', {
          retryAfterMs: 2_000,
        }),
      },
    );
    const step = fc.record({
      say: fc.constantFrom('', WORDS, 'Short. ', '\n\n', '```\ncode\n\nmore\n```\n', 'x'.repeat(90)),
      waitMs: fc.constantFrom(0, 300, 1_000, 4_000),
      turn: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('edit' as const, 'block' as const),
        fc.boolean(),
        fc.array(step, { minLength: 1, maxLength: 8 }),
        fc.array(failure, { maxLength: 12 }),
        fc.constantFrom('', 'The end.', WORDS.repeat(2)),
        async (mode, detectsDuplicates, steps, failures, last) => {
          const { clock, platform, live, settled } = setUp(mode, { detectsDuplicates });
          platform.failures = failures;
          let text = '';
          for (const { say, waitMs, turn } of steps) {
            if (turn && text !== '') live.turn();
            if (turn) text = '';
            text += say;
            if (say !== '') live.delta(say);
            await clock.advance(waitMs);
          }
          const final = text + last;
          const ids = await settled(live.seal());
          const calls = platform.calls.length;
          const finished = await settled(live.finish(final));
          const bare = (whole: string) => whole.replaceAll(/[`\s]/g, '');
          expect(bare(told(finished).join(''))).toBe(bare(final));
          for (const piece of told(finished)) expect(piece.length).toBeLessThanOrEqual(100);
          for (const { message, text } of finished.shown) {
            expect(platform.messages.find(({ id }) => id === message)?.text).toBe(text);
          }
          expect(new Set(finished.shown.map(({ message }) => message)).size).toBe(finished.shown.length);
          // Only messages that seal named are changed after it.
          expect(platform.calls.slice(calls).every(({ what }) => ids?.includes(what))).toBe(true);
          expect(clock.waiting).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });
});
