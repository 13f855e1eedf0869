/** Goal: nothing a model or tool writes can command the terminal. */
// biome-ignore-all lint/suspicious/noControlCharactersInRegex: they are what is looked for
import { expect, test } from 'vitest';
import { printable, printableLine } from '../../src/cli/terminal.ts';

test.each([
  ['colours', '\u001b[31mred\u001b[0m', 'red'],
  ['a cleared screen', 'a\u001b[2J\u001b[Hb', 'ab'],
  ['a window title', '\u001b]0;title\u0007text', 'text'],
  ['a link', '\u001b]8;;http://evil\u001b\\text\u001b]8;;\u001b\\', 'text'],
  ['the clipboard', '\u001b]52;c;ZXZpbA==\u0007', ''],
  ['8-bit sequences', '\u009b31mred\u009d0;t\u009c', '31mred0;t'],
  ['overwriting', 'good\rbad\b\b', 'goodbad'],
  ['reordering', 'abc\u202edcba\u2066x', 'abcdcbax'],
  ['tabs and new lines, which stay', 'a\tb\nc', 'a\tb\nc'],
  ['other languages, which stay', 'धावक 🏃', 'धावक 🏃'],
])('%s', (_what, text, expected) => {
  expect(printable(text)).toBe(expected);
});

test('a sequence cut in two anywhere stays harmless', () => {
  const text = 'x\u001b[31mred\u001b]0;title\u0007y';
  for (let cut = 0; cut <= text.length; cut += 1) {
    expect(printable(text.slice(0, cut)) + printable(text.slice(cut))).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  }
});

test('a long text on one line is cut short', () => {
  expect(printableLine(' a\n  b\t c ', 20)).toBe('a b c');
  expect(printableLine('x'.repeat(30), 20)).toBe(`${'x'.repeat(19)}…`);
});
