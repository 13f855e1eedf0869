/** Goal: in the mode `edit` an answer grows in one message, at the platform's pace. Method: as in `live-answer.test.ts`. */
import { describe, expect, it } from 'vitest';
import { chunk } from '../../src/delivery/chunk.ts';
import { setUp, told, WORDS } from '../support/live-answer.ts';

describe('edit', () => {
  it('begins with 40 characters or after a second, not at once, as a reply, and never with nothing', async () => {
    const { clock, platform, live } = setUp('edit');
    live.delta('  ');
    await clock.advance(1_000);
    expect(platform.texts).toEqual([]);
    live.delta('The quick brown fox jumps over the lazy');
    await clock.settle();
    expect(platform.messages).toMatchObject([{ text: '  The quick brown fox jumps over the lazy', replyTo: 'm0' }]);
    const quick = setUp('edit');
    quick.live.delta(WORDS);
    await quick.clock.advance(299);
    expect(quick.platform.texts).toEqual([]);
    await quick.clock.advance(1);
    expect(quick.platform.texts).toEqual([WORDS.trim()]);
    const other = setUp('edit');
    other.live.delta('Hi');
    await other.clock.advance(999);
    expect(other.platform.texts).toEqual([]);
    await other.clock.advance(1);
    expect(other.platform.texts).toEqual(['Hi']);
  });

  it('shows nothing of an answer that is there at once', async () => {
    const { clock, platform, live } = setUp('edit');
    live.delta(WORDS);
    await clock.advance(299);
    expect(await live.seal()).toBeUndefined();
    expect([live.waitMs(WORDS), await live.finish(WORDS)]).toEqual([0, { shown: [], rest: [WORDS.trim()] }]);
    await clock.advance(60_000);
    expect(platform.calls).toEqual([]);
  });

  it('tells how long the platform wants us to wait before what is shown is made the answer', async () => {
    const { clock, live } = setUp('edit');
    live.delta(WORDS);
    await clock.advance(700);
    await live.seal();
    expect([live.waitMs(`${WORDS}done`), live.waitMs(WORDS)]).toEqual([600, 0]);
    await clock.advance(600);
    expect(live.waitMs(`${WORDS}done`)).toBe(0);
  });

  it('shows what has come at the pace of the platform, and the end at once it may', async () => {
    const { clock, platform, live, settled } = setUp('edit');
    live.delta(WORDS);
    for (let i = 0; i < 30; i += 1) {
      live.delta('x');
      await clock.advance(100);
    }
    expect(platform.texts[0]).toMatch(/ x{20,30}$/);
    const finished = await settled(live.finish(`${WORDS}done`));
    expect(finished).toEqual({ shown: [{ message: 'p1', text: `${WORDS}done` }], rest: [] });
    expect(platform.texts).toEqual([`${WORDS}done`]);
    const gaps = platform.calls.slice(1).map(({ at }, index) => at - (platform.calls[index]?.at ?? 0));
    expect(gaps.every((gap) => gap >= 1_000)).toBe(true);
    expect(platform.calls).toHaveLength(4);
  });

  it('has a message that is on its way when it is sealed be made the answer, too', async () => {
    const { clock, platform, live, settled } = setUp('edit');
    const held = Promise.withResolvers<void>();
    platform.held = held.promise;
    live.delta(WORDS);
    await clock.advance(300);
    const sealed = live.seal();
    held.resolve();
    expect(await sealed).toEqual(['p1']);
    expect((await settled(live.finish('Done.'))).shown).toEqual([{ message: 'p1', text: 'Done.' }]);
    expect(platform.texts).toEqual(['Done.']);
  });

  it('goes on in further messages where one is full, and finish leaves to the outbox what is not shown', async () => {
    const { clock, platform, live, settled } = setUp('edit');
    const text = WORDS.repeat(4);
    live.delta(text.slice(0, 150));
    await clock.advance(5_000);
    expect(platform.texts).toEqual(chunk(text.slice(0, 150), 100));
    expect(platform.messages.map(({ replyTo }) => replyTo)).toEqual(['m0', undefined]);
    expect(await live.seal()).toEqual(['p1', 'p2']);
    live.delta('too late');
    await clock.advance(5_000);
    const pieces = chunk(text, 100);
    const finished = await settled(live.finish(text));
    expect(finished.shown.map(({ message }) => message)).toEqual(['p1', 'p2']);
    expect([told(finished), platform.texts]).toEqual([pieces, pieces.slice(0, 2)]);
  });

  it("puts the next turn's text in the place of this one's, or after it where it filled several messages", async () => {
    const { clock, platform, live, settled } = setUp('edit');
    live.delta('Let me look that up, it will not take long.');
    await clock.advance(3_000);
    live.turn();
    await clock.advance(3_000);
    expect(platform.texts).toEqual(['Let me look that up, it will not take long.']);
    live.delta('Found');
    await clock.advance(3_000);
    expect(platform.texts).toEqual(['Found']);
    live.delta(WORDS.repeat(2));
    await clock.advance(9_000);
    const before = platform.texts;
    expect(before.length).toBe(2);
    live.turn();
    live.delta('In the end');
    await clock.advance(9_000);
    expect(platform.texts).toEqual([...before, 'In the end']);
    const { shown, rest } = await settled(live.finish('In the end.'));
    expect([shown, rest]).toEqual([[{ message: 'p3', text: 'In the end.' }], []]);
  });

  it('empties a message that the answer turned out not to need', async () => {
    const { clock, platform, live, settled } = setUp('edit');
    live.delta(WORDS.repeat(2));
    await clock.advance(9_000);
    expect((await settled(live.finish('No.'))).shown).toEqual([{ message: 'p1', text: 'No.' }]);
    expect(platform.texts).toEqual(['No.', '…']);
  });

  it('is slower after a rate limit, and never before the platform wants it', async () => {
    const { clock, platform, live } = setUp('edit');
    live.delta(WORDS);
    await clock.advance(300);
    platform.failures = [{ retryAfterMs: 7_000 }];
    for (let i = 0; i < 300; i += 1) {
      live.delta(i % 10 === 0 ? 'x' : '');
      await clock.advance(100);
    }
    const times = platform.calls.map(({ at }) => at - (platform.calls[0]?.at ?? 0));
    expect(times.slice(0, 2)).toEqual([0, 1_000]);
    expect(times[2]).toBeGreaterThanOrEqual(8_000);
    expect((times[4] ?? 0) - (times[3] ?? 0)).toBeGreaterThanOrEqual(2_000);
  });

  it.each(['rejected', 'gone', 'unauthorized', 'unknown', 'lost'] as const)(
    'a first message that fails with %s is not sent again; the answer is, whole',
    async (failure) => {
      const { clock, platform, live, settled } = setUp('edit');
      platform.failures = [failure];
      live.delta(WORDS);
      await clock.advance(10_000);
      live.delta(WORDS);
      await clock.advance(10_000);
      expect(platform.calls).toHaveLength(1);
      expect(await settled(live.finish(WORDS))).toEqual({ shown: [], rest: [WORDS.trim()] });
    },
  );

  it('an edit that fails is made later; after five in a row there are no more before the end', async () => {
    const { clock, platform, live, settled } = setUp('edit');
    live.delta(WORDS);
    await clock.advance(300);
    platform.failures = ['temporary', 'unknown', undefined, ...Array.from({ length: 9 }, () => 'temporary' as const)];
    live.delta('more');
    await clock.advance(60_000);
    expect(platform.texts).toEqual([`${WORDS}more`]);
    live.delta(' and more');
    await clock.advance(600_000);
    expect(platform.calls).toHaveLength(1 + 3 + 5);
    platform.failures = ['temporary', 'lost', { retryAfterMs: 3_000 }];
    const finished = await settled(live.finish(`${WORDS}the end`));
    expect([told(finished), platform.texts]).toEqual([[`${WORDS}the end`], [`${WORDS}the end`]]);
  });

  it('a preview that cannot be made final, or not within a minute, leaves the answer to new messages', async () => {
    for (const failure of ['rejected', { retryAfterMs: 60_001 }] as const) {
      const { clock, platform, live, settled } = setUp('edit');
      live.delta(WORDS.repeat(3));
      await clock.advance(10_000);
      const text = WORDS.repeat(3).toUpperCase();
      const pieces = chunk(text, 100);
      platform.failures = [undefined, failure];
      const finished = await settled(live.finish(text));
      expect(finished).toEqual({ shown: [{ message: 'p1', text: pieces[0] }], rest: pieces.slice(1) });
    }
  });

  it('stops at once when the gateway does', async () => {
    const { clock, live, abort, platform } = setUp('edit');
    live.delta(WORDS);
    await clock.advance(300);
    platform.failures = Array.from({ length: 99 }, () => ({ retryAfterMs: 10_000 }));
    const finishing = live.finish('The end of all that.');
    await clock.advance(1_000);
    abort.abort();
    expect(await finishing).toEqual({ shown: [], rest: ['The end of all that.'] });
  });
});
