/** Cases of Autobahn's test suite, as row23-websocket.test.ts and row23-utf8.test.ts spell them, and who tries them out. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { decodeFrame } from '../../src/protocol/frame.ts';
import { type LocalGateway, longGateway } from '../support/gateway.ts';
import { frame, OPCODE, type Received, WebSocketPeer } from '../support/websocket-peer.ts';
import { helloData } from '../support/wire-client.ts';

const { continuation, text, close, ping, pong } = OPCODE;

/**
 * Number, what is sent, its frames, and what comes back: `pong <payload>`, `pong to <id>` for the answer to a request,
 * `<code> to <id>` for an error, and at the end `close <code>`, or `cut` where the connection ends without a close frame:
 * then what came before may be there or not. Without either of them the connection must be open. `chop`: bytes of one write,
 * default all at once.
 */
export type Case = [number: string, what: string, frames: Buffer[], gets: string[], chop?: number];

/** One gateway for all tests of a file, started before them and stopped after them. */
export function gatewayOfFile(): () => LocalGateway {
  let gateway: LocalGateway;
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'dhaavak-test-'));
    gateway = await longGateway({ home });
  });
  afterAll(async () => {
    await gateway.stop();
    await rm(home, { recursive: true });
  });
  return () => gateway;
}

/** Makes a test of each case. */
export function check(gateway: () => LocalGateway, cases: readonly Case[]): void {
  it.each(cases)('%s %s', async (_number, _what, frames, gets, chop) => {
    const got = await outcome(gateway(), frames, chop);
    const isCut = gets.at(-1) === 'cut';
    expect(got.at(-1)).toBe(gets.at(-1));
    expect(got).toEqual(isCut ? gets.slice(-got.length) : gets);
  });
}

/** A connection that has said hello in JSON. */
export async function connected({ url, token }: LocalGateway): Promise<WebSocketPeer> {
  const peer = new WebSocketPeer(url);
  expect((await peer.handshake).status).toBe(101);
  peer.send(frame(text, JSON.stringify({ id: 'hello', type: 'hello', data: helloData(token) })));
  await peer.when(({ opcode }) => opcode === text);
  peer.received.length = 0;
  return peer;
}

/** What a frame of the gateway says, in short. */
export function told({ opcode, payload }: Received): string {
  if (opcode === pong) return `pong ${payload.toString('latin1')}`;
  if (opcode === close) return payload.length < 2 ? 'close' : `close ${payload.readUInt16BE()}`;
  const { id, type, error } = opcode === text ? JSON.parse(payload.toString()) : decodeFrame(payload);
  return `${error?.code ?? type} to ${id}`;
}

/** Sends the frames and returns what came back until the end, or until it is plain that there is none. */
async function outcome(gateway: LocalGateway, frames: readonly Buffer[], chop: number | undefined): Promise<string[]> {
  const peer = await connected(gateway);
  const all = Buffer.concat([...frames, frame(ping, 'still there?')]);
  if (chop === undefined) peer.send(all);
  else await peer.sendChopped(all, chop);
  const isLast = ({ payload }: Received) => payload.equals(Buffer.from('still there?'));
  const gets = (await peer.when(isLast)) === undefined ? await ending(peer) : [];
  return [...peer.received.filter((received) => !isLast(received)).map(told), ...gets];
}

async function ending(peer: WebSocketPeer): Promise<string[]> {
  await peer.closed;
  return peer.received.some(({ opcode }) => opcode === close) ? [] : ['cut'];
}

/** The payload in fragments of `size` bytes. */
export function fragments(opcode: number, payload: string | Uint8Array, size: number): Buffer[] {
  const data = Buffer.from(payload as string);
  const count = Math.max(1, Math.ceil(data.length / size));
  return Array.from({ length: count }, (_, i) =>
    frame(i === 0 ? opcode : continuation, data.subarray(i * size, (i + 1) * size), { fin: i === count - 1 }),
  );
}

/** A fragment after which others come. */
export function part(opcode: number, payload: string | Uint8Array = ''): Buffer {
  return frame(opcode, payload, { fin: false });
}

/** Bytes from their hexadecimal digits. */
export function hex(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(' ', ''), 'hex');
}

export function times<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}
