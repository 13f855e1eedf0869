import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRing, RingReader, RingWriter } from '../../src/shards/ring.ts';

function ringOf(bytes: number) {
  const ring = createRing(bytes);
  const rung = { reader: 0, writer: 0 };
  const writer = new RingWriter(ring, () => rung.reader++);
  const reader = new RingReader(ring, () => rung.writer++);
  return { writer, reader, rung };
}

/** Everything that is there now, copied out. */
function take(reader: RingReader, records = 1_000) {
  const taken: { kind: number; number: number; key: string; payload: Buffer }[] = [];
  reader.begin(records);
  while (reader.next()) {
    taken.push({ kind: reader.kind, number: reader.number, key: reader.key, payload: Buffer.from(reader.payload) });
  }
  reader.release();
  return taken;
}

describe('a ring', () => {
  it('hands over records as they were written, in order', () => {
    const { writer, reader } = ringOf(1024);
    writer.write(1, 0xffff_ffff, 'agent:main:main', Buffer.from('one'));
    writer.write(5, 0, '', Buffer.alloc(0));
    expect(take(reader)).toEqual([
      { kind: 1, number: 0xffff_ffff, key: 'agent:main:main', payload: Buffer.from('one') },
      { kind: 5, number: 0, key: '', payload: Buffer.alloc(0) },
    ]);
    expect(take(reader)).toEqual([]);
  });

  it('loses, repeats and mixes up nothing, whatever the sizes and however the two sides take turns', () => {
    const step = fc.oneof(
      fc.record({ write: fc.nat(200), key: fc.stringMatching(/^[\x21-\x7e]{0,40}$/) }),
      fc.record({ read: fc.integer({ min: 1, max: 9 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const { writer, reader } = ringOf(1024);
        const written: { number: number; key: string; length: number }[] = [];
        const read: typeof written = [];
        const drain = (records: number) => {
          for (const { number, key, payload } of take(reader, records)) {
            expect(payload.every((byte) => byte === (number & 0xff))).toBe(true);
            read.push({ number, key, length: payload.length });
          }
        };
        for (const s of steps) {
          if ('read' in s) drain(s.read);
          else if (writer.write(1, written.length, s.key, Buffer.alloc(s.write, written.length))) {
            written.push({ number: written.length, key: s.key, length: s.write });
          }
        }
        for (let left = -1; left !== read.length; ) {
          left = read.length;
          drain(1_000);
        }
        expect(read).toEqual(written);
      }),
    );
  });

  it('says that it is full, keeps what it has, and rings the writer back when there is room', () => {
    const { writer, reader, rung } = ringOf(1024);
    let count = 0;
    while (writer.write(1, count, '', Buffer.alloc(100))) count++;
    expect(rung.writer).toBe(0);
    expect(count).toBe(9);
    const taken = take(reader);
    expect(rung.writer).toBe(1);
    expect(writer.write(1, count, '', Buffer.alloc(100))).toBe(true);
    const rest = [...taken, ...take(reader), ...take(reader), ...take(reader), ...take(reader)];
    expect(rest.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('keeps payloads where they are until the batch is released', () => {
    const { writer, reader } = ringOf(1024);
    writer.write(1, 0, '', Buffer.alloc(200, 7));
    reader.begin(10);
    reader.next();
    const payload = reader.payload;
    while (writer.write(1, 1, '', Buffer.alloc(200, 9))) {}
    expect(payload.every((byte) => byte === 7)).toBe(true);
    reader.release();
  });

  it('rings a sleeping reader once, and lets none sleep that has something to read', () => {
    const { writer, reader, rung } = ringOf(1024);
    expect(reader.sleep()).toBe(true);
    writer.write(1, 0, '', Buffer.alloc(1));
    expect(rung.reader).toBe(0);
    writer.ring();
    writer.write(1, 1, '', Buffer.alloc(1));
    writer.ring();
    expect(rung.reader).toBe(1);
    expect(reader.sleep()).toBe(false);
    expect(take(reader)).toHaveLength(2);
    expect(reader.sleep()).toBe(true);
  });

  it('refuses a record of more than half its size, and a size that is no power of two', () => {
    const { writer } = ringOf(1024);
    expect(() => writer.write(1, 0, '', Buffer.alloc(600))).toThrow(RangeError);
    expect(() => createRing(1000)).toThrow(RangeError);
  });
});
