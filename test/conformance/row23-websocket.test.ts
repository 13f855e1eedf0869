/**
 * Goal: the WebSocket spoken is that of RFC 6455 (scorecard 23). Method: the cases of Autobahn's test suite under its
 * numbers, over raw sockets, against a gateway. A gateway echoes nothing, so that what is looked at is the answer to a
 * request in the message, or the error that it is none. Where Autobahn wants a close frame before the connection is cut, this
 * does not: the RFC says SHOULD. What deviates says so, and is listed in docs/protocol.md. The cases 6 are in
 * row23-utf8.test.ts; there is no compression (12, 13).
 */
import { describe, expect, it } from 'vitest';
import { closing, frame, handshakeHead, OPCODE, WebSocketPeer } from '../support/websocket-peer.ts';
import { pack } from '../support/wire-client.ts';
import { type Case, check, connected, fragments, gatewayOfFile, hex, part, times, told } from './websocket-cases.ts';

const { continuation, text, binary, close, ping, pong } = OPCODE;
const KIB = 1024;
const MIB = 1024 * KIB;

const gateway = gatewayOfFile();

/** A request as JSON of `size` bytes. */
const asText = (id: string, size = 0) => JSON.stringify({ id, type: 'ping', data: {} }).padEnd(size);
/** One as msgpack of `size` bytes, which is refused for what makes it so long, so that one knows it was read. */
function asBinary(id: string, size: number): Uint8Array {
  const make = (length: number) => pack({ id, type: 'ping', data: { x: 'x'.repeat(length) } });
  let length = Math.max(0, size - 40);
  while (make(length + 1).length <= size) length += 1;
  const made = make(length);
  if (made.length !== size) throw new Error(`no request of this kind has ${size} bytes`);
  return made;
}
describe('a handshake', () => {
  const answer = async (headers: Record<string, string | undefined>) =>
    await new WebSocketPeer(gateway().url, handshakeHead(gateway().url, headers)).handshake;

  it('is answered with the key of RFC 6455, without extension or subprotocol, whatever is offered', async () => {
    const { status, headers } = await answer({
      'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
      'Sec-WebSocket-Protocol': 'chat, superchat',
      Connection: 'keep-alive, Upgrade',
    });
    expect([status, headers.get('sec-websocket-accept')]).toEqual([101, 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=']);
    expect([headers.get('upgrade'), headers.get('connection')]).toEqual(['websocket', 'Upgrade']);
    expect([headers.has('sec-websocket-extensions'), headers.has('sec-websocket-protocol')]).toEqual([false, false]);
  });

  it.each([
    ['an older version', { 'Sec-WebSocket-Version': '8' }, 426],
    ['no version', { 'Sec-WebSocket-Version': undefined }, 426],
    ['an upgrade to something else', { Upgrade: 'h2c' }, 426],
    ['no upgrade', { Upgrade: undefined }, 426],
    ['no connection header', { Connection: undefined }, 426],
    ['no key, and so is any request', { 'Sec-WebSocket-Key': undefined }, 401],
    ['a key that is too short', { 'Sec-WebSocket-Key': 'short' }, 401],
  ])('with %s is refused', async (_what, headers, expected) => {
    const { status, headers: answered } = await answer(headers);
    expect(status).toBe(expected);
    if (expected === 426) expect(answered.get('sec-websocket-version')).toBe('13');
  });
});

describe('framing', () => {
  const sizes = [125, 126, 127, 128, 65_535, 65_536];
  check(gateway, [
    ['1.1.1', 'an empty text message', [frame(text)], ['invalid_frame to null']],
    ...sizes.map(
      (size, i): Case => [`1.1.${i + 2}`, `a text of ${size} bytes`, [frame(text, asText('a', size))], ['pong to a']],
    ),
    ['1.1.8', 'a text of 65536 bytes in writes of 997', [frame(text, asText('a', 65_536))], ['pong to a'], 997],
    ['1.2.1', 'an empty binary message', [frame(binary)], ['invalid_frame to null']],
    ...sizes.map(
      (size, i): Case => [
        `1.2.${i + 2}`,
        `${size} bytes of binary`,
        [frame(binary, asBinary('b', size))],
        ['invalid_request to b'],
      ],
    ),
    [
      '1.2.8',
      '65536 bytes of binary in writes of 997',
      [frame(binary, asBinary('b', 65_536))],
      ['invalid_request to b'],
      997,
    ],
  ]);
});

describe('pings and pongs', () => {
  const raw = Buffer.from([0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff]);
  const long = 'x'.repeat(125);
  const ten = times(10, (i) => frame(ping, `payload-${i}`));
  const tenPongs = times(10, (i) => `pong payload-${i}`);
  check(gateway, [
    ['2.1', 'a ping without payload', [frame(ping)], ['pong ']],
    ['2.2', 'a ping with a text', [frame(ping, 'Hello, world!')], ['pong Hello, world!']],
    ['2.3', 'a ping with bytes that are no text', [frame(ping, raw)], [`pong ${raw.toString('latin1')}`]],
    ['2.4', 'a ping of 125 bytes', [frame(ping, long)], [`pong ${long}`]],
    ['2.5', 'a ping of 126 bytes', [frame(ping, 'x'.repeat(126))], ['cut']],
    ['2.6', 'a ping of 125 bytes in writes of 1', [frame(ping, long)], [`pong ${long}`], 1],
    ['2.7', 'a pong nobody asked for', [frame(pong)], []],
    ['2.8', 'a pong nobody asked for, with a payload', [frame(pong, 'unasked')], []],
    ['2.9', 'such a pong and a ping', [frame(pong, 'unasked'), frame(ping, 'asked')], ['pong asked']],
    ['2.10', 'ten pings', ten, tenPongs],
    ['2.11', 'ten pings in writes of 1', ten, tenPongs, 1],
  ]);
});

describe('reserved bits', () => {
  const good = frame(text, asText('a'));
  check(gateway, [
    ['3.1', 'a text with the bits 1', [frame(text, asText('b'), { rsv: 1 })], ['cut']],
    [
      '3.2',
      'a text, then one with the bits 2',
      [good, frame(text, asText('b'), { rsv: 2 }), frame(ping)],
      ['pong to a', 'cut'],
    ],
    [
      '3.3',
      'the same with the bits 3',
      [good, frame(text, asText('b'), { rsv: 3 }), frame(ping)],
      ['pong to a', 'cut'],
    ],
    [
      '3.4',
      'the same with the bits 4, in writes of 1',
      [good, frame(text, asText('b'), { rsv: 4 })],
      ['pong to a', 'cut'],
      1,
    ],
    ['3.5', 'a binary with the bits 5', [frame(binary, asBinary('b', 100), { rsv: 5 })], ['cut']],
    ['3.6', 'a ping with the bits 6', [frame(ping, 'x', { rsv: 6 })], ['cut']],
    ['3.7', 'a close with the bits 7', [frame(close, '', { rsv: 7 })], ['cut']],
  ]);
});

describe('opcodes that mean nothing', () => {
  const good = frame(text, asText('a'));
  const group = (digit: number, first: number): Case[] => [
    [`4.${digit}.1`, `opcode ${first}`, [frame(first)], ['cut']],
    [`4.${digit}.2`, `opcode ${first + 1} with a payload`, [frame(first + 1, 'reserved')], ['cut']],
    [`4.${digit}.3`, `a text, then opcode ${first + 2}`, [good, frame(first + 2), frame(ping)], ['pong to a', 'cut']],
    [
      `4.${digit}.4`,
      `a text, then opcode ${first + 3} with a payload`,
      [good, frame(first + 3, 'reserved')],
      ['pong to a', 'cut'],
    ],
    [
      `4.${digit}.5`,
      `a text, then opcode ${first + 4}, in writes of 1`,
      [good, frame(first + 4)],
      ['pong to a', 'cut'],
      1,
    ],
  ];
  check(gateway, [...group(1, 3), ...group(2, 11)]);
});

describe('fragmentation', () => {
  const [start, rest] = [asText('a').slice(0, 9), asText('a').slice(9)];
  const whole = [part(text, start), frame(continuation, rest)];
  const withPing = [part(text, start), frame(ping, 'between'), frame(continuation, rest)];
  const orphan = [frame(continuation, 'orphan'), frame(text, asText('a'))];
  const openOrphan = [part(continuation, 'orphan'), frame(text, asText('a'))];
  const pinged = ['a', 'b', 'c', 'd'].flatMap((payload, i) => [
    part(i === 0 ? text : continuation, asText('a').slice(i * 5, i * 5 + 5)),
    frame(ping, payload),
  ]);
  const many = [...pinged, frame(continuation, asText('a').slice(20))];
  const manyPongs = ['pong a', 'pong b', 'pong c', 'pong d', 'pong to a'];
  check(gateway, [
    ['5.1', 'a ping in two fragments', [part(ping, 'x'), frame(continuation, 'y')], ['cut']],
    ['5.2', 'a pong in two fragments', [part(pong, 'x'), frame(continuation, 'y')], ['cut']],
    ['5.3', 'a text in two fragments', whole, ['pong to a']],
    ['5.4', 'a text in two fragments, in writes of 8', whole, ['pong to a'], 8],
    ['5.5', 'a text in two fragments, in writes of 1', whole, ['pong to a'], 1],
    ['5.6', 'a ping between two fragments', withPing, ['pong between', 'pong to a']],
    ['5.7', 'a ping between two fragments, in writes of 8', withPing, ['pong between', 'pong to a'], 8],
    ['5.8', 'a ping between two fragments, in writes of 1', withPing, ['pong between', 'pong to a'], 1],
    ['5.9', 'a continuation of nothing, then a text', orphan, ['cut']],
    ['5.10', 'a continuation of nothing, then a text, in writes of 8', orphan, ['cut'], 8],
    ['5.11', 'a continuation of nothing, then a text, in writes of 1', orphan, ['cut'], 1],
    ['5.12', 'an open continuation of nothing, then a text', openOrphan, ['cut']],
    ['5.13', 'an open continuation of nothing, then a text, in writes of 8', openOrphan, ['cut'], 8],
    ['5.14', 'an open continuation of nothing, then a text, in writes of 1', openOrphan, ['cut'], 1],
    [
      '5.15',
      'a whole fragmented text, then a continuation of nothing',
      [...whole, part(continuation, 'x')],
      ['pong to a', 'cut'],
    ],
    ['5.16', 'an open continuation of nothing, then a fragmented text', [part(continuation, 'x'), ...whole], ['cut']],
    ['5.17', 'a continuation of nothing, then a fragmented text', [frame(continuation, 'x'), ...whole], ['cut']],
    ['5.18', 'a text in two fragments that both say text', [part(text, start), frame(text, rest)], ['cut']],
    ['5.19', 'five fragments with pings between, in writes of 4', many, manyPongs, 4],
    ['5.20', 'five fragments with pings between', many, manyPongs],
  ]);
});

describe('closing', () => {
  const good = frame(text, asText('a'));
  check(gateway, [
    ['7.1.1', 'a text, then a close', [good, frame(close, closing(1000))], ['pong to a', 'close 1000']],
    ['7.1.2', 'two closes', [frame(close, closing(1000)), frame(close, closing(1000))], ['close 1000']],
    ['7.1.3', 'a ping after the close', [frame(close, closing(1000)), frame(ping, 'late')], ['close 1000']],
    ['7.1.4', 'a text after the close', [frame(close, closing(1000)), good], ['close 1000']],
    [
      '7.1.5',
      'a close between two fragments',
      [part(text, '{'), frame(close, closing(1000)), frame(continuation, '}')],
      ['close 1000'],
    ],
    [
      '7.1.6',
      'a large message, then a close and a ping',
      [frame(binary, asBinary('b', 256 * KIB)), frame(close, closing(1000)), frame(ping)],
      ['invalid_request to b', 'close 1000'],
    ],
    ['7.3.1', 'a close without payload', [frame(close)], ['close']],
    ['7.3.2', 'a close with half a code', [frame(close, 'x')], ['close']],
    ['7.3.3', 'a close with a code', [frame(close, closing(1000))], ['close 1000']],
    ['7.3.4', 'a close with a code and a reason', [frame(close, closing(1000, 'Hello World!'))], ['close 1000']],
    ['7.3.5', 'a close with the longest reason', [frame(close, closing(1000, 'x'.repeat(123)))], ['close 1000']],
    ['7.3.6', 'a close with a longer one', [frame(close, closing(1000, 'x'.repeat(124)))], ['cut']],
    ['7.5.1', 'a close whose reason is not UTF-8', [frame(close, closing(1000, hex('ce ba ed a0 80')))], ['close']],
    ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011].map(
      (code, i): Case => [`7.7.${i + 1}`, `a close with ${code}`, [frame(close, closing(code))], [`close ${code}`]],
    ),
    ...[3000, 3999].map(
      (code, i): Case => [
        `7.7.${i + 10}`,
        `a close with ${code}; deviates: the answer has no code`,
        [frame(close, closing(code))],
        ['close'],
      ],
    ),
    ...[4000, 4999].map(
      (code, i): Case => [`7.7.${i + 12}`, `a close with ${code}`, [frame(close, closing(code))], [`close ${code}`]],
    ),
    ...[0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999].map(
      (code, i): Case => [
        `7.9.${i + 1}`,
        `a close with ${code}, which means nothing`,
        [frame(close, closing(code))],
        ['close'],
      ],
    ),
    ...[5000, 65_535].map(
      (code, i): Case => [
        `7.13.${i + 1}`,
        `a close with ${code}, which may not be`,
        [frame(close, closing(code))],
        ['close'],
      ],
    ),
  ]);
});

describe('limits', () => {
  const large = asBinary('b', MIB);
  check(gateway, [
    ['9.1.1', 'a text of 64 KiB', [frame(text, asText('a', 64 * KIB))], ['pong to a']],
    [
      '9.1.2',
      'a text of 256 KiB, over the limit of JSON',
      [frame(text, asText('a', 256 * KIB))],
      ['too_large to null'],
    ],
    ['9.1.3', 'a text of 1 MiB, over the limit of JSON', [frame(text, asText('a', MIB))], ['too_large to null']],
    ['9.2.1', '64 KiB of binary', [frame(binary, asBinary('b', 64 * KIB))], ['invalid_request to b']],
    ['9.2.2', '256 KiB of binary', [frame(binary, asBinary('b', 256 * KIB))], ['invalid_request to b']],
    ['9.2.3', '1 MiB of binary', [frame(binary, large)], ['invalid_request to b']],
    ['9.2.4', 'one byte more, over the limit', [frame(binary, asBinary('b', MIB + 1))], ['cut']],
    ['9.2.5', '4 MiB of binary', [frame(binary, Buffer.alloc(4 * MIB))], ['cut']],
    ...[64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB].map(
      (size, i): Case => [
        `9.3.${i + 1}`,
        `a text of 64 KiB in fragments of ${size}`,
        fragments(text, asText('a', 64 * KIB), size),
        ['pong to a'],
      ],
    ),
    ...[64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB].map(
      (size, i): Case => [
        `9.4.${i + 1}`,
        `1 MiB of binary in fragments of ${size}`,
        fragments(binary, large, size),
        ['invalid_request to b'],
      ],
    ),
    [
      '9.4.9',
      '4 MiB in fragments of 64 KiB, over the limit',
      fragments(binary, Buffer.alloc(4 * MIB), 64 * KIB),
      ['cut'],
    ],
    ...[64, 128, 256, 512, KIB, 2 * KIB].map(
      (chop, i): Case => [
        `9.5.${i + 1}`,
        `a text of 64 KiB in writes of ${chop}`,
        [frame(text, asText('a', 64 * KIB))],
        ['pong to a'],
        chop,
      ],
    ),
    ...[KIB, 2 * KIB].map(
      (chop, i): Case => [
        `9.6.${i + 5}`,
        `1 MiB of binary in writes of ${chop}`,
        [frame(binary, large)],
        ['invalid_request to b'],
        chop,
      ],
    ),
    ...[64, 256, KIB, 4 * KIB].map(
      (size, i): Case => [
        `9.7.${i + 3}`,
        `1000 texts of ${size} bytes`,
        Array(1000).fill(frame(text, asText('a', size))),
        Array(1000).fill('pong to a'),
      ],
    ),
    ...[64, 256, KIB, 4 * KIB].map(
      (size, i): Case => [
        `9.8.${i + 3}`,
        `1000 times ${size} bytes of binary`,
        Array(1000).fill(frame(binary, asBinary('b', size))),
        Array(1000).fill('invalid_request to b'),
      ],
    ),
    [
      '10.1.1',
      'a text of 65536 bytes in fragments of 1300',
      fragments(text, asText('a', 65_536), 1_300),
      ['pong to a'],
    ],
  ]);
});

describe('masking, which deviates', () => {
  it('a frame that says it is not masked is read as if it were', async () => {
    const peer = await connected(gateway());
    const bytes = frame(text, asText('a'));
    bytes[1] = (bytes[1] as number) & 0x7f;
    peer.send(bytes);
    expect(await peer.when(({ opcode }) => opcode === text).then((reply) => reply && told(reply))).toBe('pong to a');
  });
});
