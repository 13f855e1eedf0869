/**
 * Goal: no msgpack breaks a gateway, costs it more than its size, or brings anything into it but plain data (scorecard 21).
 * Method: a corpus of bombs and tricks; 100,000 frames made of it and of good requests by a seeded mutator, read as a shard
 * reads them; and the first 10,000 of those sent to a gateway that must answer each.
 */
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { checkRequest } from '../../src/protocol/check.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { decodeFrame } from '../../src/protocol/frame.ts';
import { DEPTH_MAX, VALUES_MAX } from '../../src/protocol/limits.ts';
import { REQUESTS, type RequestType } from '../../src/protocol/messages.ts';
import { FrameError, skim } from '../../src/protocol/skim.ts';
import { localGateway } from '../support/gateway.ts';
import { seeded } from '../support/random.ts';
import { REQUEST_TYPES_AFTER_HELLO, VALID_REQUESTS } from '../support/valid-requests.ts';
import { pack } from '../support/wire-client.ts';

const SEED = Number(process.env.SEED ?? 21);
const FRAMES = 100_000;
const DECODE_MS = 30;
const LARGE = 64 * 1024;

/** A request whose `data.a` is the given bytes: whatever they are, a frame is around them. */
const around = (...value: Uint8Array[]) =>
  Buffer.concat([
    Buffer.from([0x83]),
    ...['id', 'b', 'type', 'ping', 'data'].map(pack),
    Buffer.from([0x81]),
    pack('a'),
    ...value,
  ]);
const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
/** As many of a byte as make a frame of 64 KiB. */
const filled = (byte: number, start = '') => around(bytes(start), Buffer.alloc(LARGE - 64, byte));

/** Extensions as libraries write them: records, sets, regular expressions, errors, big integers, typed arrays, timestamps. */
const exotic = new Packr({ useRecords: false, moreTypes: true, largeBigIntToFloat: false, bundleStrings: false });
const records = new Packr({ useRecords: true });

const REFUSED: Record<string, Buffer> = {
  'arrays 33 deep': around(Buffer.alloc(DEPTH_MAX - 1, 0x91), bytes('c0')),
  'maps 33 deep': around(...Array<Buffer>(DEPTH_MAX - 1).fill(bytes('81 a1 61')), bytes('c0')),
  'arrays 64 KiB deep': filled(0x91),
  'maps 64 KiB deep': around(Buffer.from('81a161'.repeat(LARGE / 3 - 32), 'hex'), bytes('c0')),
  'an array of 4 billion': around(bytes('dd ffffffff')),
  'a map of 4 billion': around(bytes('df ffffffff')),
  'a string of 4 GB': around(bytes('db ffffffff 61')),
  'binary of 4 GB': around(bytes('c6 ffffffff 61')),
  'an extension of 4 GB': around(bytes('c9 ffffffff 01')),
  'a frame of 4 billion fields': bytes('df ffffffff'),
  'more small values than a frame may have': around(bytes('dd 0000ffc0'), Buffer.alloc(0xffc0, 0x00)),
  'more empty maps than a frame may have': around(bytes('dd 0000ffc0'), Buffer.alloc(0xffc0, 0x80)),
  'a byte that msgpack never uses': around(bytes('c1')),
  'a key that is no string': around(bytes('81 01 c0')),
  'a key that is a map': around(bytes('81 80 c0')),
  '__proto__ as a key': around(pack(JSON.parse('{"__proto__":{"admin":true}}'))),
  'a set': around(exotic.pack(new Set([1]))),
  'a regular expression': around(exotic.pack(/(a+)+$/)),
  'an error': around(exotic.pack(new Error('x'))),
  'a big integer': around(exotic.pack(2n ** 70n)),
  'a typed array': around(exotic.pack(new Float64Array(2))),
  'a record': around(records.pack({ x: 1 })),
  'the definition of a record': around(bytes('d4 72 40 91 a1 78')),
  'a pointer into the frame': around(bytes('d6 70 00000001')),
  'undefined, as an extension': around(bytes('d4 00 00')),
  'a timestamp of a length it cannot have': around(bytes('c7 05 ff 0000000000')),
  'a timestamp that is cut': around(bytes('d6 ff 0000')),
  nothing: Buffer.alloc(0),
};
/** Good as msgpack: a request of its kind has no such field, and is told so. */
const READ: Record<string, Buffer> = {
  'arrays 32 deep': around(Buffer.alloc(DEPTH_MAX - 2, 0x91), bytes('c0')),
  'as many values as there may be': around(
    bytes(`dc ${(VALUES_MAX - 4).toString(16)}`),
    Buffer.alloc(VALUES_MAX - 4, 0x80),
  ),
  'a string of 64 KiB': around(bytes('da ff00'), Buffer.alloc(0xff00, 0x61)),
  'text that is not UTF-8, 64 KiB of it': around(bytes('da ff00'), Buffer.alloc(0xff00, 0xff)),
  'timestamps of 32, 64 and 96 bits': around(
    bytes('93 d6ff00000001 d7ff0000000000000001 c70cff000000000000000000000001'),
  ),
  'constructor as a key': around(pack({ constructor: { prototype: 1 } })),
};

/** Why a frame is refused; undefined: it was read, and is plain data within the limits. */
function refusal(frame: Buffer): DhaavakError | undefined {
  try {
    const head = skim(frame);
    const decoded = decodeFrame(frame);
    expect(shape(decoded)).toBe('');
    if (head.type in REQUESTS) checkRequest(head.type as RequestType, decoded.data);
    return undefined;
  } catch (error) {
    if (error instanceof DhaavakError) return error;
    throw error;
  }
}

/** What is wrong with a decoded value: it is deeper than it may be, or something else than data. Empty: nothing. */
function shape(value: unknown, depth = 1): string {
  if (value === null || ['string', 'number', 'boolean', 'undefined'].includes(typeof value)) return '';
  if (value instanceof Uint8Array || value instanceof Date) return '';
  if (typeof value !== 'object') return typeof value;
  if (depth > DEPTH_MAX) return `${depth} deep`;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== Array.prototype) return `a ${prototype?.constructor?.name}`;
  for (const inner of Object.values(value)) {
    const wrong = shape(inner, depth + 1);
    if (wrong !== '') return wrong;
  }
  return '';
}

/** The shortest of some tries, in milliseconds: what is longer is the machine's doing. */
function readingMs(frame: Buffer): number {
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now();
    refusal(frame);
    return performance.now() - start;
  });
  return Math.min(...times);
}

/** Frames without end, each a good one or one of the corpus, with one to four changes. */
function* mutated(seed: number): Generator<Buffer> {
  const random = seeded(seed);
  const good = REQUEST_TYPES_AFTER_HELLO.map((type) =>
    Buffer.from(pack({ id: 'm', type, timestamp: 1, data: VALID_REQUESTS[type] })),
  );
  const small = Object.values({ ...REFUSED, ...READ }).filter(({ length }) => length < 256);
  const heads = bytes('80 8f 90 9f a0 bf c0 c1 c4 c6 c7 c9 ca cf d4 d6 d8 d9 db dc dd de df e0 ff');
  const pick = (from: readonly Buffer[]) => from[random(from.length)] as Buffer;
  for (;;) {
    let frame = Buffer.from(pick(random(4) === 0 ? small : good));
    for (let changes = 1 + random(4); changes > 0; changes -= 1) {
      const at = random(frame.length + 1);
      const rest = frame.subarray(at);
      const other = pick(good);
      const part = other.subarray(random(other.length), random(other.length));
      const kind = random(6);
      if (kind === 0) frame[at] = random(256);
      else if (kind === 1) frame[at] = heads[random(heads.length)] as number;
      else if (kind === 2) frame = frame.subarray(0, at);
      else if (kind === 3) frame = Buffer.concat([frame.subarray(0, at), Buffer.from([random(256)]), rest]);
      else if (kind === 4) frame = Buffer.concat([frame.subarray(0, at), rest.subarray(1 + random(4))]);
      else frame = Buffer.concat([frame.subarray(0, at), part, rest]);
    }
    yield frame;
  }
}

describe('msgpack', () => {
  it.each(Object.entries(REFUSED))('that is %s is refused before it is decoded', (_, frame) => {
    expect(refusal(frame)).toBeInstanceOf(FrameError);
  });

  it.each(Object.entries(READ))('that is %s is read', (_, frame) => {
    expect(refusal(frame)).toMatchObject({ code: 'invalid_request', param: 'data.a' });
  });

  it('of 64 KiB is read, or refused, within 30 ms, whatever it is made of', () => {
    const all = {
      ...REFUSED,
      ...READ,
      'maps in an array': filled(0x80, 'dd 00003f00'),
      'small strings': filled(0xa0, 'dd 00003f00'),
    };
    for (const [name, frame] of Object.entries(all)) {
      expect(frame.length).toBeLessThanOrEqual(LARGE + 64);
      expect(readingMs(frame), name).toBeLessThan(DECODE_MS);
    }
  });

  it(`in 100,000 damaged frames (seed ${SEED}) is plain data within the limits, or refused with a typed error`, () => {
    const frames = mutated(SEED);
    let read = 0;
    for (let i = 0; i < FRAMES; i += 1) {
      const frame = frames.next().value as Buffer;
      try {
        if (refusal(frame) === undefined) read += 1;
      } catch (error) {
        throw new Error(`frame ${i} of seed ${SEED}: ${frame.toString('hex')}`, { cause: error });
      }
    }
    expect(read).toBeGreaterThan(FRAMES / 100); // or only the skimmer is tested
    expect(read).toBeLessThan(FRAMES / 2);
  });

  it(`in 10,000 of them (seed ${SEED}) is answered by a gateway, one by one, and nothing of it breaks`, async () => {
    const gateway = await localGateway({ shards: { count: 1 } });
    const client = await gateway.connect();
    const frames = mutated(SEED);
    for (let batch = 0; batch < FRAMES / 10; batch += 100) {
      client.frames.length = 0;
      for (let i = 0; i < 100; i += 1) client.raw(new Uint8Array(frames.next().value as Buffer));
      const replies = () => client.frames.filter(({ type }) => ['pong', 'ack', 'result', 'error'].includes(type));
      await client.when(() => (client.frames.length >= 100 && replies().length >= 100 ? true : undefined));
      expect(replies().filter(({ error }) => error?.code === 'internal')).toEqual([]);
    }
    client.frames.length = 0;
    expect(await client.ask('ping')).toEqual({});
    expect((await client.ask('status')).shards.map(({ restarts, deadLetters }) => [restarts, deadLetters])).toEqual([
      [0, 0],
    ]);
  });
});
