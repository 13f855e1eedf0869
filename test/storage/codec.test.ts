/** Goal: no damaged value is ever taken for another. Method: every bit of values of each kind is turned over once. */
import { Packr, unpack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { Codec } from '../../src/storage/codec.ts';
import { entryOf, sessionOf } from '../support/store-files.ts';

const VALUES: Record<string, unknown> = {
  'an entry': entryOf(7),
  'a long entry': entryOf(7, 'é'.repeat(20_000)),
  'a session': sessionOf('agent:main:dm:api:ada'),
  'a text': 'm1',
  true: true,
  'a number': 4_711,
};

describe('the codec', () => {
  it.each(Object.entries(VALUES))('reads %s as it was written', (_what, value) => {
    const codec = new Codec(() => {});
    expect(codec.decode(Buffer.from(codec.encode(value)))).toEqual(value);
    expect(codec.decode(new Packr({ useRecords: false }).pack(value))).toEqual(value);
  });

  it('writes msgpack that any tool can read', () => {
    const bytes = new Codec(() => {}).encode(entryOf(7));
    expect(unpack(bytes)).toEqual([expect.any(Number), entryOf(7)]);
  });

  it.each(['an entry', 'a session', 'a text', 'true', 'a number'])(
    'finds each flipped bit of %s, and counts it',
    (what) => {
      let damaged = 0;
      const codec = new Codec(() => {
        damaged += 1;
      });
      const bytes = Buffer.from(codec.encode(VALUES[what]));
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        // A value whose two marks are gone is taken for one of the time before checksums: it must not be this one.
        const read = codec.decode(flipped);
        if (bit >= 16) expect([bit, read]).toEqual([bit, undefined]);
        else expect(read).not.toEqual(VALUES[what]);
      }
      expect(damaged).toBeGreaterThanOrEqual(bytes.length * 8 - 16);
    },
  );

  it('finds a value that is cut off anywhere', () => {
    const codec = new Codec(() => {});
    const bytes = Buffer.from(codec.encode(entryOf(7)));
    for (let length = 0; length < bytes.length; length++) {
      expect([length, codec.decode(bytes, length)]).toEqual([length, undefined]);
    }
  });
});
