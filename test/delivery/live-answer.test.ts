/**
 * Goal: an answer is seen while it is made, at the platform's pace, and whatever fails on the way, what `finish` tells is
 * the final text, once, in order. Method: a platform in memory that fails as told, and a clock that stands still until it
 * is moved.
 */
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import {
  type Adapter,
  type Capabilities,
  ChannelError,
  type ChannelErrorKind,
  type OutboundMessage,
} from '../../src/channels/adapter.ts';
import { chunk } from '../../src/delivery/chunk.ts';
import type { FinishedAnswer, LiveAnswerOptions } from '../../src/delivery/display.ts';
import { LiveAnswer } from '../../src/delivery/live-answer.ts';
import { ManualClock } from '../support/manual-clock.ts';

const CAPABILITIES: Capabilities = {
  textLengthMax: 100,
  edits: true,
  editIntervalMs: 1_000,
  typingMs: 5_000,
  buttons: false,
  fileBytesMax: 0,
  detectsDuplicates: false,
};

/** What a call fails with; `lost`: it was done, and nobody was told. */
type Failure = ChannelErrorKind | 'lost' | { retryAfterMs: number };

/** A chat as a platform shows it. */
class Platform implements Adapter {
  readonly capabilities: Capabilities;
  readonly messages: { id: string; text: string; key: string; replyTo: string | undefined }[] = [];
  /** When each message was changed. */
  readonly calls: { at: number; what: string }[] = [];
  /** How the next calls fail; undefined: they don't. */
  failures: (Failure | undefined)[] = [];
  typed: number[] = [];
  /** Calls are answered when it has resolved. */
  held: Promise<void> | undefined;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock, capabilities: Partial<Capabilities>) {
    this.#clock = clock;
    this.capabilities = { ...CAPABILITIES, ...capabilities };
  }

  get texts(): string[] {
    return this.messages.map(({ text }) => text);
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  async send({ text, key, replyTo }: OutboundMessage): Promise<{ message: string }> {
    this.#check(text);
    return this.#call('send', () => {
      const there = this.messages.find((message) => this.capabilities.detectsDuplicates && message.key === key);
      const message = there ?? { id: `p${this.messages.length + 1}`, text, key, replyTo };
      if (there === undefined) this.messages.push(message);
      return { message: message.id };
    });
  }

  async edit(_chat: unknown, id: string, text: string): Promise<void> {
    this.#check(text);
    return this.#call(id, () => {
      const message = this.messages.find((one) => one.id === id);
      if (message === undefined) throw new ChannelError('rejected', 'no such message');
      message.text = text;
    });
  }

  async typing(): Promise<void> {
    this.typed.push(this.#clock.now());
  }

  #check(text: string): void {
    if (text.trim() === '' || text.length > this.capabilities.textLengthMax) throw new Error(`bad text ${text}`);
  }

  async #call<T>(what: string, act: () => T): Promise<T> {
    this.calls.push({ at: this.#clock.now(), what });
    const failure = this.failures.shift();
    await this.held;
    if (failure === undefined) return act();
    if (failure === 'lost') {
      act();
      throw new ChannelError('unknown', 'the connection was lost');
    }
    if (typeof failure === 'object') throw new ChannelError('rate_limited', 'slow down', failure);
    throw new ChannelError(failure, `told to fail with ${failure}`);
  }
}

function setUp(mode: LiveAnswerOptions['mode'], capabilities: Partial<Capabilities> = {}) {
  const clock = new ManualClock();
  const platform = new Platform(clock, capabilities);
  let keys = 0;
  const abort = new AbortController();
  const live = new LiveAnswer({
    adapter: platform,
    chat: { id: 'c1', type: 'dm' },
    replyTo: 'm0',
    mode,
    clock,
    newKey: () => {
      keys += 1;
      return `key${keys}`;
    },
    log: pino({ level: 'silent' }),
    signal: abort.signal,
  });
  /** Lets time pass until the promise has settled. */
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let done = false;
    const finished = promise.finally(() => {
      done = true;
    });
    for (let i = 0; i < 200 && !done; i += 1) await clock.advance(1_000);
    return finished;
  };
  return { clock, platform, live, abort, settled };
}

/** All of the final text as `finish` tells it. */
const told = ({ shown, unknown, rest }: FinishedAnswer) => [
  ...shown.map(({ text }) => text),
  ...(unknown === undefined ? [] : [unknown.text]),
  ...rest,
];
const WORDS = 'The quick brown fox jumps over the lazy dog, again and again. ';

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

describe('block', () => {
  const BLOCKS = ['First paragraph.', 'Second one.', '```js\none();\n\ntwo();\n```', 'The last.'];

  it('sends each finished paragraph, never from inside a code fence, those finished meanwhile as one', async () => {
    const { clock, platform, live, settled } = setUp('block');
    const text = BLOCKS.join('\n\n');
    for (const character of text) {
      live.delta(character);
      await clock.advance(20);
    }
    await clock.advance(5_000);
    expect(platform.texts.map((part) => part.split('```').length)).toEqual(
      platform.texts.map((part) => (part.includes('js') ? 3 : 1)),
    );
    expect(platform.texts.join('\n\n')).toBe(BLOCKS.slice(0, 3).join('\n\n'));
    expect(platform.messages.map(({ replyTo }) => replyTo === 'm0')).toEqual(
      platform.texts.map((_, index) => index === 0),
    );
    const finished = await settled(live.finish(text));
    expect(finished.shown.map((piece) => piece.text)).toEqual(platform.texts);
    expect(finished.rest).toEqual(['The last.']);
    const gaps = platform.calls.slice(1).map(({ at }, index) => at - (platform.calls[index]?.at ?? 0));
    expect(gaps.every((gap) => gap >= 1_000)).toBe(true);
  });

  it('waits for the end of a code fence, however long that takes', async () => {
    const { clock, platform, live } = setUp('block');
    live.delta('```js\none();\n\ntwo();\n\n');
    await clock.advance(60_000);
    expect(platform.texts).toEqual([]);
    live.delta('```\n\n');
    await clock.advance(1_000);
    expect(platform.texts).toEqual(['```js\none();\n\ntwo();\n\n```']);
  });

  it('cuts a paragraph that is too long, and what was not sent in time is for the outbox', async () => {
    const { clock, platform, live, settled } = setUp('block');
    const text = `${WORDS.repeat(4).trim()}\n\nThe end.`;
    live.delta(text);
    await clock.advance(1_500);
    expect(platform.texts).toEqual(chunk(WORDS.repeat(4).trim(), 100).slice(0, 2));
    const finished = await settled(live.finish(text));
    expect(told(finished)).toEqual([...chunk(WORDS.repeat(4).trim(), 100), 'The end.']);
    expect(finished.shown).toHaveLength(2);
  });

  it('says what a turn has said when it ends, which is no part of the answer', async () => {
    const { clock, platform, live, settled } = setUp('block');
    live.delta('Let me look.');
    live.turn();
    await clock.advance(2_000);
    expect(platform.texts).toEqual(['Let me look.']);
    live.delta('It is so.\n\nAnd');
    await clock.advance(2_000);
    const finished = await settled(live.finish('It is so.\n\nAnd more.'));
    expect(finished).toMatchObject({ shown: [{ message: 'p2', text: 'It is so.' }], rest: ['And more.'] });
  });

  it('an answer that is another than what was said is sent whole', async () => {
    const { clock, live, settled } = setUp('block');
    live.delta('It is so.\n\nAnd');
    await clock.advance(2_000);
    expect(await settled(live.finish('It is not so.'))).toEqual({ shown: [], rest: ['It is not so.'] });
  });

  it('a block whose fate is not known is never sent again, and told as such, with its key', async () => {
    const { clock, platform, live, settled } = setUp('block');
    platform.failures = [undefined, 'lost'];
    live.delta('One.\n\n');
    await clock.advance(2_000);
    live.delta('Two.\n\nThree.\n\n');
    await clock.advance(2_000);
    live.delta('Four.\n\n');
    await clock.advance(60_000);
    expect(platform.texts).toEqual(['One.', 'Two.\n\nThree.']);
    const finished = await settled(live.finish('One.\n\nTwo.\n\nThree.\n\nFour.\n\nFive.'));
    expect(finished).toEqual({
      shown: [{ message: 'p1', text: 'One.' }],
      unknown: { key: 'key2', text: 'Two.\n\nThree.' },
      rest: ['Four.\n\nFive.'],
    });
  });

  it('where duplicates are detected it is sent again, with the same key', async () => {
    const { clock, platform, live, settled } = setUp('block', { detectsDuplicates: true });
    platform.failures = ['lost', 'temporary'];
    live.delta('One.\n\nTwo');
    await clock.advance(10_000);
    expect(platform.messages).toMatchObject([{ text: 'One.', key: 'key1' }]);
    expect(platform.calls).toHaveLength(3);
    expect(await settled(live.finish('One.\n\nTwo.'))).toMatchObject({ shown: [{ message: 'p1' }], rest: ['Two.'] });
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
