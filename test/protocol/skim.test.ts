import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { decodeFrame, encodeFrame } from '../../src/protocol/frame.ts';
import { DEPTH_MAX, VALUES_MAX } from '../../src/protocol/limits.ts';
import { FrameError, sessionOf, skim } from '../../src/protocol/skim.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true });
const pack = (value: unknown) => Buffer.from(packr.pack(value));
const request = (data: unknown) => pack({ id: 'r1', type: 'ping', timestamp: 1, data });

function refusal(bytes: Buffer): FrameError {
  try {
    skim(bytes);
  } catch (error) {
    if (error instanceof FrameError) return error;
    throw error;
  }
  throw new Error('the frame was taken');
}

describe('skim', () => {
  it('reads id, type and data.session without the rest', () => {
    const bytes = pack({
      id: 'r1',
      type: 'message.send',
      timestamp: 5,
      data: { text: 'नमस्ते', session: 'agent:main:main' },
    });
    const head = skim(bytes);
    expect(head).toMatchObject({ id: 'r1', type: 'message.send' });
    expect(sessionOf(bytes, head)).toBe('agent:main:main');
    const other = pack({ type: 'unheard.of', id: 'r2' });
    expect(skim(other)).toMatchObject({ id: 'r2', type: 'unheard.of' });
    expect(sessionOf(other, skim(other))).toBeUndefined();
  });

  it('accepts every JSON value a frame may carry, and reads the same head a full decode reads', () => {
    const json = fc.jsonValue({ maxDepth: 8 }).filter((value) => !JSON.stringify(value).includes('__proto__'));
    fc.assert(
      fc.property(fc.stringMatching(/^[\x21-\x7e]{1,64}$/), fc.dictionary(fc.string(), json), (id, data) => {
        fc.pre(!('session' in data) && !('__proto__' in data));
        const bytes = encodeFrame({ id, type: 'ping', timestamp: 1, data });
        expect(skim(bytes)).toMatchObject({ id, type: 'ping', sessionEnd: 0 });
        expect(decodeFrame(bytes).id).toBe(id);
      }),
    );
  });

  it('never reads past the end, never takes a cut frame, and throws nothing but FrameError on any bytes', () => {
    const whole = request({ a: [1, 'two', { three: null }], time: new Date(1), big: 2 ** 40, f: 1.5 });
    for (let length = 0; length < whole.length; length++) refusal(whole.subarray(0, length));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          skim(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('decodes whatever it accepted, after any change of a byte', () => {
    const whole = request({ a: [1, 'two', { three: null }], time: new Date(1), bytes: Buffer.from([1, 2]) });
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
        const changed = Buffer.from(whole);
        changed[at] = byte;
        try {
          skim(changed);
        } catch {
          return;
        }
        expect(decodeFrame(changed)).toBeTypeOf('object');
      }),
      { numRuns: 5_000 },
    );
  });

  it('bounds depth and number of values', () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
    expect(skim(request({ a: nested(DEPTH_MAX - 2) })).id).toBe('r1');
    expect(refusal(request({ a: nested(DEPTH_MAX - 1) })).message).toContain('deeper');
    expect(skim(request({ a: new Array(VALUES_MAX - 5).fill(1) })).id).toBe('r1');
    expect(refusal(request({ a: new Array(VALUES_MAX).fill(1) })).message).toContain('values');
    // A size that is announced but not there costs nothing.
    expect(refusal(Buffer.from([0x81, 0xa2, 0x69, 0x64, 0xdd, 0xff, 0xff, 0xff, 0xff])).param).toBe('id');
  });

  it('refuses every extension but the timestamp', () => {
    expect(skim(request({ at: new Date(1) })).id).toBe('r1');
    expect(skim(request({ at: new Date(2 ** 40) })).id).toBe('r1');
    for (const value of [new Set([1]), /x/, new Error('x'), 2n ** 70n]) {
      const bytes = new Packr({ useRecords: false, moreTypes: true, largeBigIntToFloat: false }).pack({
        id: 'r1',
        type: 'ping',
        data: { value },
      });
      expect(refusal(Buffer.from(bytes)).message).toContain('extension');
    }
    const records = Buffer.from(new Packr({ useRecords: true }).pack({ id: 'r1', type: 'ping' }));
    expect(refusal(records).code).toBe('invalid_frame');
  });

  it('refuses __proto__ as a key at any depth', () => {
    const key = JSON.parse('{"__proto__": 1}');
    expect(refusal(request({ a: [key] })).message).toContain('__proto__');
    expect(refusal(pack({ id: 'r1', type: 'ping', data: key })).message).toContain('__proto__');
    expect(skim(request({ constructor: 1, prototype: 2 })).id).toBe('r1');
  });

  it('names the field that is wrong, and the request where its id could be read', () => {
    const cases: [unknown, string, string][] = [
      [{ type: 'ping' }, 'id', 'missing'],
      [{ id: 'r1' }, 'type', 'missing'],
      [{ id: 7, type: 'ping' }, 'id', 'string'],
      [{ id: '', type: 'ping' }, 'id', 'characters'],
      [{ id: 'x'.repeat(65), type: 'ping' }, 'id', 'characters'],
      [{ id: 'r 1', type: 'ping' }, 'id', 'ASCII'],
      [{ id: 'r1', type: ['ping'] }, 'type', 'string'],
      [{ id: 'r1', type: 'ping', data: [] }, 'data', 'map'],
      [{ id: 'r1', type: 'ping', data: { session: 5 } }, 'data.session', 'string'],
      [{ id: 'r1', type: 'ping', data: { session: 'naïve' } }, 'data.session', 'ASCII'],
      [{ id: 'r1', type: 'ping', extra: 1 }, 'extra', 'not known'],
    ];
    for (const [frame, param, says] of cases) {
      const error = refusal(pack(frame));
      expect(error).toMatchObject({ code: 'invalid_request', param });
      expect(error.message).toContain(says);
    }
    expect(refusal(pack({ id: 'r1', type: 'ping', extra: 1 })).id).toBe('r1');
    expect(refusal(pack([1])).message).toContain('one map');
    expect(refusal(Buffer.concat([pack({ id: 'r1', type: 'ping' }), Buffer.from([0])])).message).toContain('follow');
  });

  it('refuses a key of the head that is there twice, since two readers could then see two requests', () => {
    const twice = (key: string, first: unknown, second: unknown) =>
      Buffer.concat([
        Buffer.from([0x84]),
        ...[
          ['id', 'r1'],
          ['type', 'ping'],
          [key, first],
          [key, second],
        ].flatMap((pair) => pair.map(pack)),
      ]);
    for (const [key, value] of [
      ['id', 'r2'],
      ['type', 'status'],
      ['data', {}],
      ['timestamp', 1],
    ] as const) {
      expect(refusal(twice(key, value, value)).message).toMatch(/twice/);
    }
    const sessions = Buffer.concat([Buffer.from([0x82]), ...['session', 'a', 'session', 'b'].map(pack)]);
    const bytes = Buffer.concat([Buffer.from([0x83]), ...['id', 'r1', 'type', 'ping', 'data'].map(pack), sessions]);
    expect(refusal(bytes)).toMatchObject({ param: 'data.session' });
  });
});
