/** Goal: a text is found whatever the case, and no text can make that slow. Method: compared with the runtime's own search. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { textFinder } from '../../actors/session/text-search.ts';

it('finds what the runtime finds, in short texts and in long ones', () => {
  const words = fc.array(fc.constantFrom('aaaaa', 'b', 'A', 'ab', '😀', 'é'), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(words, words, fc.boolean(), (text, sought, isLong) => {
      // What stands before it makes the text too long for the runtime's search.
      const hay = `${isLong ? 'x'.repeat(200_001) : ''}${text.join('')}`;
      const needle = sought.join('');
      expect(textFinder(needle)(hay)).toBe(hay.toLowerCase().includes(needle.toLowerCase()));
    }),
    { numRuns: 100 },
  );
});

it('takes both small sigmas for the large one', () => {
  expect(textFinder('ΟΔΟΣ')('η οδος')).toBe(true);
  expect(textFinder('οδοσ')('Η ΟΔΟΣ')).toBe(true);
});

it('is not made slow by the longest text, which a regular expression is', () => {
  const text = '😀'.repeat(262_144);
  const sought = `${'😀'.repeat(200)}b`;
  const fastest = (find: (text: string) => boolean): number => {
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      expect(find(text)).toBe(false);
      return performance.now() - start;
    });
    return Math.min(...times);
  };
  const expression = new RegExp(sought, 'iu');
  // Some 6 and 60 ms on a machine at rest.
  expect(fastest(textFinder(sought))).toBeLessThan(fastest((hay) => expression.test(hay)) / 2);
});
