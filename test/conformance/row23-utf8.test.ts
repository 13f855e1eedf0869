/**
 * Goal: a text is UTF-8 or it is not taken (scorecard 23). Method: the cases 6 of Autobahn's test suite under its numbers, as
 * in row23-websocket.test.ts. Like most servers this one looks at a message when it is whole, not at each fragment.
 */
import { describe } from 'vitest';
import { frame, OPCODE } from '../support/websocket-peer.ts';
import { type Case, check, fragments, gatewayOfFile, hex, part, times } from './websocket-cases.ts';

const { continuation, text } = OPCODE;

const gateway = gatewayOfFile();
const numbers = (from: number, to: number) => times(to - from + 1, (i) => from + i);

describe('UTF-8', () => {
  const read = ['invalid_frame to null']; // a text that is no request
  const kosme = hex('ce ba e1 bd b9 cf 83 ce bc ce b5');
  const hello = Buffer.from('Hello-µ@ßöäüàá-UTF-8!!');
  const broken = Buffer.concat([kosme, hex('ed a0 80'), Buffer.from('edited')]);
  const tooHigh = hex('f4 90 80 80');
  /** One case for each byte sequence. */
  const each = (group: string, what: string, sequences: readonly Buffer[], gets: string[], first = 1): Case[] =>
    sequences.map((sequence, i) => [
      `${group}.${first + i}`,
      `${what}: ${sequence.toString('hex').slice(0, 40)}`,
      [frame(text, sequence)],
      gets,
    ]);
  const spaced = (from: number, to: number) => Buffer.from(numbers(from, to).flatMap((byte) => [byte, 0x20]));
  const surrogates = ['ed a0 80', 'ed ad bf', 'ed ae 80', 'ed af bf', 'ed b0 80', 'ed be 80', 'ed bf bf'].map(hex);
  const [a0, ad, ae, af, b0, , bf] = surrogates as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
  const pairs = [a0, ad, ae, af].flatMap((high) => [Buffer.concat([high, b0]), Buffer.concat([high, bf])]);
  const cut = [
    'c0',
    'e0 80',
    'f0 80 80',
    'f8 80 80 80',
    'fc 80 80 80 80',
    'df',
    'ef bf',
    'f7 bf bf',
    'fb bf bf bf',
    'fd bf bf bf bf',
  ].map(hex);
  const nonCharacters = times(17, (plane) => plane * 0x1_0000).flatMap((plane) => [plane + 0xfffe, plane + 0xffff]);

  check(gateway, [
    ['6.1.1', 'an empty text', [frame(text)], read],
    ['6.1.2', 'three empty fragments', [part(text), part(continuation), frame(continuation)], read],
    [
      '6.1.3',
      'an empty fragment, one with a text, an empty one',
      [part(text), part(continuation, 'x'), frame(continuation)],
      read,
    ],
    ['6.2.1', 'a text with more than ASCII', [frame(text, hello)], read],
    ['6.2.2', 'the same in two fragments, between two characters', fragments(text, hello, 12), read],
    ['6.2.3', 'the same in fragments of one byte', fragments(text, hello, 1), read],
    ['6.2.4', 'Greek in fragments of one byte', fragments(text, kosme, 1), read],
    ['6.3.1', 'a surrogate in the middle', [frame(text, broken)], ['cut']],
    ['6.3.2', 'the same in fragments of one byte', fragments(text, broken, 1), ['cut']],
    [
      '6.4.1',
      'a code point too high, in the second of three fragments',
      [part(text, kosme), part(continuation, tooHigh), frame(continuation, 'x')],
      ['cut'],
    ],
    [
      '6.4.2',
      'the same, divided within it',
      [part(text, Buffer.concat([kosme, hex('f4')])), part(continuation, hex('90 80 80')), frame(continuation, 'x')],
      ['cut'],
    ],
    ['6.4.3', 'the same in writes of 8', [frame(text, Buffer.concat([kosme, tooHigh, Buffer.from('x')]))], ['cut'], 8],
    ['6.4.4', 'the same in writes of 1', [frame(text, Buffer.concat([kosme, tooHigh, Buffer.from('x')]))], ['cut'], 1],
    ...times(kosme.length, (i) => kosme.subarray(0, i + 1)).map((sequence, i): Case => {
      const isWhole = [2, 5, 7, 9, 11].includes(sequence.length);
      return [
        `6.6.${i + 1}`,
        `the first ${sequence.length} bytes of a text of 11`,
        [frame(text, sequence)],
        isWhole ? read : ['cut'],
      ];
    }),
    ...each('6.5', 'a whole text', [kosme], read),
    ...each('6.7', 'the first of its length', ['00', 'c2 80', 'e0 a0 80', 'f0 90 80 80'].map(hex), read),
    ...each('6.8', 'longer than UTF-8 is', ['f8 88 80 80 80', 'fc 84 80 80 80 80'].map(hex), ['cut']),
    ...each('6.9', 'the last of its length', ['7f', 'df bf', 'ef bf bf', 'f4 8f bf bf'].map(hex), read),
    ...each('6.10', 'past the last', ['f7 bf bf bf', 'fb bf bf bf bf', 'fd bf bf bf bf bf'].map(hex), ['cut']),
    ...each('6.11', 'at a boundary', ['ed 9f bf', 'ee 80 80', 'ef bf bd', 'f4 8f bf bf'].map(hex), read),
    ...each('6.11', 'past a boundary', [tooHigh], ['cut'], 5),
    ...each(
      '6.12',
      'a continuation of nothing',
      [
        ...times(6, (i) => Buffer.from(times(i + 1, (at) => (at % 2 ? 0xbf : 0x80)))),
        hex('bf'),
        Buffer.from(numbers(0x80, 0xbf)),
      ],
      ['cut'],
    ),
    ...each(
      '6.13',
      'lonely starts',
      [spaced(0xc0, 0xdf), spaced(0xe0, 0xef), spaced(0xf0, 0xf7), spaced(0xf8, 0xfb), spaced(0xfc, 0xfd)],
      ['cut'],
    ),
    ...each('6.14', 'without its last byte', cut, ['cut']),
    ...each('6.15', 'all of these', [Buffer.concat(cut)], ['cut']),
    ...each('6.16', 'impossible bytes', ['fe', 'ff', 'fe fe ff ff'].map(hex), ['cut']),
    ...each(
      '6.17',
      'a slash in too many bytes',
      ['c0 af', 'e0 80 af', 'f0 80 80 af', 'f8 80 80 80 af', 'fc 80 80 80 80 af'].map(hex),
      ['cut'],
    ),
    ...each(
      '6.18',
      'the last one in too many bytes',
      ['c1 bf', 'e0 9f bf', 'f0 8f bf bf', 'f8 87 bf bf bf', 'fc 83 bf bf bf bf'].map(hex),
      ['cut'],
    ),
    ...each(
      '6.19',
      'NUL in too many bytes',
      ['c0 80', 'e0 80 80', 'f0 80 80 80', 'f8 80 80 80 80', 'fc 80 80 80 80 80'].map(hex),
      ['cut'],
    ),
    ...each('6.20', 'a surrogate', surrogates, ['cut']),
    ...each('6.21', 'two surrogates', pairs, ['cut']),
    ...each(
      '6.22',
      'no character',
      nonCharacters.map((code) => Buffer.from(String.fromCodePoint(code))),
      read,
    ),
    ...each(
      '6.23',
      'special',
      numbers(0xfff9, 0xffff).map((code) => Buffer.from(String.fromCodePoint(code))),
      read,
    ),
  ]);
});
