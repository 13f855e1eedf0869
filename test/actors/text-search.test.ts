/** Goal: a text is found whatever the case. Method: compared with the runtime's own search. */
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
