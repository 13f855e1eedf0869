/** Goal: in the mode `block` finished paragraphs are sent, each once. Method: as in `live-answer.test.ts`. */
import { describe, expect, it } from 'vitest';
import { chunk } from '../../src/delivery/chunk.ts';
import { setUp, told, WORDS } from '../support/live-answer.ts';

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
