/**
 * Goal: a client that reads slowly costs a bounded amount, is told of everything it was not sent, and is closed with the
 * reason (scorecard 10). Method: raw sockets that stop reading while a session streams; 500 connections whose sockets are
 * the test's and never drain, under a clock of the test; and 500 real ones, whose buffers in the kernel are kept small, of a
 * gateway whose memory is looked at from outside.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Connection } from '../../src/gateway/connection.ts';
import { newCounters } from '../../src/gateway/counters.ts';
import { Topics } from '../../src/gateway/topics.ts';
import { encodeFrame, type Frame } from '../../src/protocol/frame.ts';
import { BACKPRESSURE_BYTES_MAX, SLOW_CLOSE_MS } from '../../src/protocol/limits.ts';
import type { EventData } from '../../src/protocol/messages.ts';
import { gatewayProcess, localGateway } from '../support/gateway.ts';
import { memory, peakMemory } from '../support/memory.ts';
import { scriptedModel } from '../support/model.ts';
import { missingPython, startPython } from '../support/python.ts';
import { openRaw, type RawSocket } from '../support/raw-socket.ts';
import { MAIN } from '../support/valid-requests.ts';
import { until } from '../support/wait.ts';

const MIB = 1024 * 1024;
const READERS = fileURLToPath(new URL('../support/stalled-readers.py', import.meta.url));

afterEach(() => void vi.useRealTimers());

type Delta = EventData<'message.delta'>;

/** Every event follows the one before, but for as many as it says it stands for. */
function expectNoSilentGap(frames: readonly Frame[]): void {
  let last: number | undefined;
  for (const { data } of frames) {
    const { seq, skipped = 0 } = (data ?? {}) as Partial<Delta>;
    if (seq === undefined) continue;
    if (last !== undefined) expect(seq).toBe(last + 1 + skipped);
    last = seq;
  }
}

async function stalledReader(url: string, token: string): Promise<RawSocket> {
  const raw = await openRaw(url, token);
  raw.write([{ id: 's', type: 'subscribe', data: { session: MAIN } }]);
  await raw.when((frames) => frames.length === 2);
  raw.pause();
  return raw;
}

describe('a client that stops reading', () => {
  it('gets merged deltas when it reads again: the gaps are announced and the text is whole', async () => {
    const gateway = await localGateway();
    const sender = await gateway.connect();
    const stalled = await stalledReader(gateway.url, gateway.token);
    let message = '';
    for (let i = 0; i < 2_000 && (await sender.ask('status')).counters.deltasMerged === 0; i += 1) {
      message = (await sender.ask('message.send', { text: `${i} ${'word '.repeat(4_000)}` })).message;
      await sender.runEnd(message);
    }
    expect((await sender.ask('status')).counters).toMatchObject({ slowClosed: 0 });
    stalled.resume();
    const ended = ({ type, data }: Frame) => type === 'run.end' && (data as { message: string }).message === message;
    await stalled.when((frames) => frames.some(ended));
    const events = stalled.frames.slice(2);
    expectNoSilentGap(events);
    expect(events.some(({ data }) => ((data as Delta).skipped ?? 0) > 0)).toBe(true);
    const texts = (frames: readonly Frame[]) =>
      frames.filter(({ type }) => type === 'message.outbound').map(({ data }) => (data as Delta).text);
    expect(texts(events)).toEqual(sender.events('message.outbound').map(({ data }) => data.text));
  });

  it('past the cap is closed with 4429, which it gets when it reads what was on its way', async () => {
    const gateway = await localGateway();
    const sender = await gateway.connect();
    const stalled = await stalledReader(gateway.url, gateway.token);
    for (let i = 0; i < 200 && (await sender.ask('status')).counters.slowClosed === 0; i += 1) {
      await sender.runEnd((await sender.ask('message.send', { text: 'x'.repeat(200_000) })).message);
    }
    stalled.resume();
    expect(await stalled.closed).toBe(4429);
    expectNoSilentGap(stalled.frames.slice(2));
    expect((await sender.ask('status')).counters.slowClosed).toBe(1);
  });
});

/** A socket whose peer reads nothing. */
function deadSocket() {
  const socket = {
    buffered: 0,
    received: [] as Frame[],
    closed: false,
    cork: (send: () => void) => send(),
    getBufferedAmount: () => socket.buffered,
    send: (frame: Uint8Array) => {
      if (socket.buffered > BACKPRESSURE_BYTES_MAX) return 2;
      socket.buffered += frame.length;
      return 0;
    },
    close: () => {
      socket.closed = true;
    },
    end: () => {
      socket.closed = true;
    },
  };
  return socket;
}

describe('500 clients that read nothing', () => {
  it('hold at most the cap each, are all counted, and all closed within 5 seconds', () => {
    vi.useFakeTimers();
    const counters = newCounters();
    const topics = new Topics();
    const clients = Array.from({ length: 500 }, () => {
      const socket = deadSocket();
      type Socket = ConstructorParameters<typeof Connection>[0];
      const connection = new Connection(socket as unknown as Socket, topics, counters);
      connection.accept(
        { name: 'x', scopes: ['read'], bits: 1 },
        { id: 1, client: { name: 'x', version: '' }, connectedAt: 0, token: 'x', scopes: ['read'] },
      );
      return { socket, connection };
    });
    let seq = 0;
    const event = (type: string, data: object) => {
      seq += 1;
      const frame = encodeFrame({
        id: `e-${seq}`,
        type,
        timestamp: 0,
        data: { session: MAIN, seq, epoch: 'e', ...data },
      });
      return Uint8Array.from(frame);
    };
    const frameBytesMax = 2_000;
    for (let run = 0; run < 40; run += 1) {
      const frames = Array.from({ length: 20 }, () =>
        event('message.delta', { run: `r${run}`, text: 'x'.repeat(1_500) }),
      );
      frames.push(event('message.outbound', { run: `r${run}`, message: 'm', text: 'x'.repeat(30_000) }));
      for (const { socket, connection } of clients) {
        for (const frame of frames) if (connection.queue(frame)) connection.flush();
        expect(socket.buffered).toBeLessThanOrEqual(BACKPRESSURE_BYTES_MAX + 30_000 + frameBytesMax);
      }
    }
    expect(counters.slowClosed).toBe(500);
    expect(counters.deltasMerged).toBeGreaterThan(500 * 20);
    expect(clients.some(({ socket }) => socket.closed)).toBe(false);
    vi.advanceTimersByTime(SLOW_CLOSE_MS);
    expect(clients.every(({ socket }) => socket.closed)).toBe(true);
    expect(SLOW_CLOSE_MS).toBeLessThanOrEqual(5_000);
  });

  it('as real sockets of a gateway of its own: its memory stays within the caps, and none is left after 5 seconds', async (context) => {
    const missing = missingPython();
    if (missing !== undefined) return context.skip(`${missing} is missing`);
    const pieces = Array.from({ length: 60 }, (_, i) => `${i} ${'x'.repeat(1_000)}`);
    const { models } = await scriptedModel(...Array.from({ length: 40 }, () => ({ text: pieces })));
    const gateway = await gatewayProcess({ config: { models } });
    const sender = await gateway.connect();
    await sender.runEnd((await sender.ask('message.send', { text: 'warm up' })).message);
    const readers = startPython(READERS, [gateway.url, join(gateway.home, 'token'), '500']);
    expect(await readers.hears()).toBe('ready');
    const before = await memory(gateway.pid);

    let slowClosed = 0;
    while (slowClosed < 500) {
      await sender.runEnd((await sender.ask('message.send', { text: 'go on' })).message);
      ({ slowClosed } = (await sender.ask('status')).counters);
    }
    const full = performance.now();
    readers.say('50');
    const gone = async () => ((await sender.ask('status')).connections === 1 ? true : undefined);
    await until(10_000, gone, 'all of them to be closed');
    expect(performance.now() - full).toBeLessThan(5_000);
    const growth = (await peakMemory(gateway.pid)) - before;
    expect(growth).toBeLessThan(500 * BACKPRESSURE_BYTES_MAX + 64 * MIB);
    expect(growth).toBeLessThan(256 * MIB); // they hear the same session: what waits for them is held once

    readers.say('500');
    const ends: { code: number | null; gaps: number }[] = JSON.parse(await readers.hears());
    expect(ends.map(({ gaps }) => gaps)).toEqual(Array(500).fill(0));
    expect(ends.map(({ code }) => code)).toEqual([...Array(50).fill(4429), ...Array(450).fill(null)]);
  }, 60_000);
});
