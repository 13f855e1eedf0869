/**
 * Goal: the pieces of an answer say together what it says, each fits, and nothing is cut that should be whole. Method:
 * examples of each place to cut, then properties over generated Markdown, and over any text at all.
 */
import fc from 'fast-check';
import { type MarkedToken, marked } from 'marked';
import { describe, expect, it } from 'vitest';
import { chunk } from '../../src/delivery/chunk.ts';

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
const bare = (text: string) => text.replace(/\s/g, '');

describe('a cut is made', () => {
  it.each([
    ['after a paragraph', 'One two.\nThree.\n\nFour five. Six', 24, ['One two.\nThree.', 'Four five. Six']],
    ['else after a line', 'One two three.\nFour five six. Seven', 30, ['One two three.', 'Four five six. Seven']],
    ['else after a sentence', 'One two. Three four? Five six', 24, ['One two. Three four?', 'Five six']],
    ['after a sentence without spaces', '早上好。今天天气很好！我们去', 10, ['早上好。', '今天天气很好！我们去']],
    ['else between words', 'One two three four five six', 24, ['One two three four five', 'six']],
    ['else anywhere', 'abcdefghij', 4, ['abcd', 'efgh', 'ij']],
    [
      'not so early that a piece is short',
      'Hi.\n\nOne two three four five six',
      24,
      ['Hi.\n\nOne two three four', 'five six'],
    ],
    ['and keeps the indentation of a line', '- one two three\n  - four', 20, ['- one two three', '  - four']],
  ])('%s', (_, text, max, pieces) => {
    expect(chunk(text, max)).toEqual(pieces);
  });

  it.each([
    [
      'a link',
      'See it: [the docs](https://example.com/a_(b)) now',
      41,
      ['See it:', '[the docs](https://example.com/a_(b)) now'],
    ],
    ['a bare link', 'Look at https://example.com/a.b.c/d now', 30, ['Look at', 'https://example.com/a.b.c/d', 'now']],
    ['inline code', 'Run `rm -rf the old folder` today', 24, ['Run', '`rm -rf the old folder`', 'today']],
    ['code with a backtick in it', 'Run ``a ` b c d e f g`` today', 22, ['Run', '``a ` b c d e f g``', 'today']],
    ['bold text', 'This is **very very important** now', 28, ['This is', '**very very important** now']],
    ['a family', '👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦', 25, ['👨‍👩‍👧‍👦👨‍👩‍👧‍👦', '👨‍👩‍👧‍👦']],
    ['a surrogate pair', '😀😀😀', 3, ['😀', '😀', '😀']],
    ['an accent from the space it is on', 'abcdef \u0301ghi', 8, ['abcdef', ' \u0301ghi']],
  ])('not in %s', (_, text, max, pieces) => {
    expect(chunk(text, max)).toEqual(pieces);
  });

  it('in a link or code that is longer than a piece, and where a stray mark is none', () => {
    expect(chunk('[a](https://example.com)', 12)).toEqual(['[a](https://', 'example.com)']);
    expect(chunk('a ` b c d e f\n\ng ` h', 14)).toEqual(['a ` b c d e f', 'g ` h']);
    expect(chunk('a [b c d e f g h', 10)).toEqual(['a [b c d e', 'f g h']);
    expect(chunk('a \\` b c d` e', 8)).toEqual(['a \\` b c', 'd` e']);
  });
});

describe('a code fence', () => {
  it.each([
    [
      'that fits is whole',
      'This is all the code:\n```ts\nlet a;\n```\nand so on.',
      30,
      ['This is all the code:', '```ts\nlet a;\n```\nand so on.'],
    ],
    [
      'that is too long is closed and opened again with its language',
      '```js title="x"\none();\ntwo();\n\n  three();\n```\nend',
      40,
      ['```js title="x"\none();\ntwo();\n\n```', '```js\n  three();\n```\nend'],
    ],
    [
      'begins where there is room, and only its language is said again',
      'The code:\n```ts\nlet a;\nlet b;\nlet c;\nlet d;\nlet e;\nlet f;\n```',
      40,
      ['The code:\n```ts\nlet a;\nlet b;\nlet c;\n```', '```ts\nlet d;\nlet e;\nlet f;\n```'],
    ],
    [
      'begins anew where there is little room',
      'A longer introduction.\n```ts\nlet a;\nlet b;\nlet c;\nlet d;\nlet e;\nlet f;\n```',
      40,
      ['A longer introduction.', '```ts\nlet a;\nlet b;\nlet c;\nlet d;\n```', '```ts\nlet e;\nlet f;\n```'],
    ],
    [
      'in a quote',
      '> ```js\n> aaaaaaaa\n> bbbbbbb\n> ```\nend',
      30,
      ['> ```js\n> aaaaaaaa\n> ```', '> ```js\n> bbbbbbb\n> ```\nend'],
    ],
    [
      'in a list',
      '1. ```sh\n     one\n     two\n     three\n   ```\n2. next',
      33,
      ['1. ```sh\n     one\n     two\n```', '```sh\n     three\n   ```\n2. next'],
    ],
    [
      'whose last line fits is whole, and nothing follows but the text',
      `\`\`\`\none\ntwo\n${' '.repeat(12)}\`\`\`\n\n  next`,
      20,
      ['```\none\ntwo\n```', '  next'],
    ],
    [
      'with shorter ones and others in it',
      '````md\n```\n~~~\nmore lines here\n````\nend',
      32,
      ['````md\n```\n~~~\n````', '````md\nmore lines here\n````\nend'],
    ],
    ['that is not closed', '```py\none two three\nfour five', 26, ['```py\none two three\n```', '```py\nfour five']],
    [
      'of one long line',
      `\`\`\`\n${'x'.repeat(30)}\n\`\`\``,
      26,
      [`\`\`\`\n${'x'.repeat(18)}\n\`\`\``, `\`\`\`\n${'x'.repeat(12)}\n\`\`\``],
    ],
    ['that is no use in so short a message', '```\nabc\n```', 8, ['```\nabc', '```']],
  ])('%s', (_, text, max, pieces) => {
    expect(chunk(text, max)).toEqual(pieces);
  });
});

it('a text that fits stays as it is, but for white space at its end; one of nothing is no piece; a piece must hold a character', () => {
  expect(chunk(' a\n', 10)).toEqual([' a']);
  expect(chunk('abc \n', 3)).toEqual(['abc']);
  expect(chunk(' \n '.repeat(9), 10)).toEqual([]);
  expect(chunk('', 10)).toEqual([]);
  expect(() => chunk('a', 1)).toThrow(RangeError);
});

describe('any text', () => {
  const anyText = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 400 }),
    fc.string({ unit: 'binary', maxLength: 400 }),
    fc.string({
      unit: fc.constantFrom('`', '```\n', '~~~', '\n', ' ', 'a', '[', '](', ')', '> ', '**', 'https://', '\\', '😀'),
      maxLength: 200,
    }),
  );

  it('becomes pieces of at most the length, none of them blank, with no half of a character', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 2, max: 80 }), (text, max) => {
        for (const piece of chunk(text, max)) {
          expect(piece.length).toBeLessThanOrEqual(max);
          expect(piece.trim()).not.toBe('');
          if (text.isWellFormed()) expect(piece.isWellFormed()).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('says the same when its pieces are joined, character by character as people see them', () => {
    const characters = (text: string) =>
      Array.from(graphemes.segment(text), ({ segment }) => bare(segment)).filter((one) => one !== '');
    const prose = fc.array(
      fc.oneof(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.constantFrom(' ', '\n', '\n\n', '. ')),
    );
    fc.assert(
      fc.property(prose, fc.integer({ min: 64, max: 120 }), (parts, max) => {
        const text = parts.join('').replaceAll(/```|~~~/g, '');
        expect(chunk(text, max).flatMap(characters)).toEqual(characters(text));
      }),
      { numRuns: 1_000 },
    );
  });

  it('of a hostile kind takes time in proportion to its length', () => {
    const hostile = [
      '[',
      '[a',
      '![',
      '`',
      '` `` ``` ',
      '**a',
      '> ',
      ' ',
      '[x](',
      '[](((',
      'https://a(',
      '<a:',
      '\n \n',
      'e\u0301',
      '```\n',
    ];
    const started = performance.now();
    for (const part of hostile) chunk(part.repeat(262_144 / part.length), 2_000);
    expect(performance.now() - started).toBeLessThan(5_000); // about 0.2 s here; a quadratic one takes minutes
  });
});

describe('Markdown', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '語', '😀'), minLength: 1, maxLength: 12 });
  const words = (max: number) => fc.array(word, { minLength: 1, maxLength: max }).map((all) => all.join(' '));
  const solid = fc.oneof(
    words(3).map((text) => `[${text}](https://example.com/${encodeURIComponent(text).slice(0, 30)})`),
    words(4).map((text) => `\`${text}\``),
    words(3).map((text) => `**${text}**`),
  );
  const sentence = fc
    .array(fc.oneof(words(8), solid), { minLength: 1, maxLength: 5 })
    .map((all) => `${all.join(' ')}.`);
  const paragraph = fc.array(sentence, { minLength: 1, maxLength: 5 }).map((all) => all.join(' '));
  const codeLine = fc.tuple(fc.constantFrom('', '  ', '\t', '      '), words(5)).map(([indent, text]) => indent + text);
  const fence = fc
    .tuple(
      fc.constantFrom('```', '````', '~~~'),
      fc.constantFrom('', 'js', 'c++'),
      fc.array(fc.oneof(codeLine, fc.constant('')), { minLength: 1, maxLength: 25 }),
    )
    .map(([mark, language, lines]) => `${mark}${language}\n${lines.join('\n')}\n${mark}`);
  const document = fc.array(fc.oneof(paragraph, fence), { minLength: 1, maxLength: 6 });

  /** The lines of code with their language, as a renderer sees them. */
  const codeIn = (text: string) =>
    (marked.lexer(text) as MarkedToken[])
      .filter((token) => token.type === 'code')
      .map(({ lang = '', text: code }) => ({ lang, lines: code.split('\n') }));
  const linesIn = (text: string) => codeIn(text).flatMap(({ lang, lines }) => lines.map((line) => `${lang}: ${line}`));

  it('keeps its code in fences with their language, and its links, inline code and bold text whole', () => {
    fc.assert(
      fc.property(document, fc.integer({ min: 260, max: 600 }), (blocks, max) => {
        const text = blocks.join('\n\n');
        const pieces = chunk(text, max);
        for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(max);
        // Blank lines at the ends of blocks are the renderer's to show or not.
        const filled = (lines: string[]) => lines.filter((line) => !/: *$/.test(line));
        expect(filled(pieces.flatMap(linesIn))).toEqual(filled(linesIn(text)));
        const prose = (whole: string) => whole.replace(/^(```+|~~~)[\s\S]*?^\1$/gm, '');
        expect(bare(pieces.map(prose).join(''))).toBe(bare(prose(text)));
        const solids = (whole: string) => prose(whole).match(/\[[^\]]*\]\([^)]*\)|`[^`]*`|\*\*[^*]*\*\*/g) ?? [];
        expect(pieces.flatMap(solids)).toEqual(solids(text));
        const fences = blocks.filter((block) => /^(```|~~~)/.test(block));
        if (fences.every((block) => block.length <= max)) {
          expect(pieces.flatMap(codeIn)).toHaveLength(fences.length);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
