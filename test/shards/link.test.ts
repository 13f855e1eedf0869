import { MessageChannel, Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { Link } from '../../src/shards/link.ts';
import { createRing } from '../../src/shards/ring.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** Two ends in this thread; what each receives is collected. `paused` ends leave their records alone. */
function pair(ringBytes: number) {
  const [a, b] = [createRing(ringBytes), createRing(ringBytes)];
  const bell = new MessageChannel();
  const received: { number: number; length: number }[] = [];
  const waiters: { count: number; resolve: () => void }[] = [];
  const left = new Link({ outgoing: a, incoming: b, bell: bell.port1 }, () => {});
  const right = new Link({ outgoing: b, incoming: a, bell: bell.port2 }, (reader) => {
    while (reader.next()) received.push({ number: reader.number, length: reader.payload.length });
    for (const { count, resolve } of waiters) if (received.length >= count) resolve();
  });
  cleanups.push(
    () => left.close(),
    () => right.close(),
  );
  const until = (count: number) => new Promise<void>((resolve) => waiters.push({ count, resolve }));
  return { left, right, received, until };
}

describe('a link', () => {
  it('keeps aside what does not fit, and sends it in order when the other side has caught up', async () => {
    const { left, received, until } = pair(4096);
    const all = until(500);
    for (let number = 0; number < 500; number++) expect(left.send(1, number, '', Buffer.alloc(300))).toBe(true);
    await all;
    expect(received.map(({ number }) => number)).toEqual(Array.from({ length: 500 }, (_, number) => number));
  });

  it('asks producers to wait while much is kept aside, and refuses past its limit', async () => {
    const { left, received, until } = pair(1 << 20);
    const frame = Buffer.alloc(256 * 1024);
    expect(left.room()).toBeUndefined();
    let sent = 0;
    while (left.send(1, sent, '', frame)) sent++;
    const room = left.room();
    expect(room).toBeDefined();
    expect(sent * frame.length).toBeGreaterThan(16 * 1024 * 1024);
    await Promise.all([room, until(sent)]);
    expect(received).toHaveLength(sent);
    expect(left.room()).toBeUndefined();
  });

  it('carries records to a worker thread and back, whoever sleeps when', async () => {
    const [a, b] = [createRing(1 << 16), createRing(1 << 16)];
    const bell = new MessageChannel();
    const worker = new Worker(new URL('../support/echo-link.ts', import.meta.url), {
      workerData: { outgoing: b, incoming: a, bell: bell.port2 },
      transferList: [bell.port2],
    });
    cleanups.push(() => worker.terminate());
    const total = 20_000;
    let next = 0;
    const done = Promise.withResolvers<void>();
    const link = new Link({ outgoing: a, incoming: b, bell: bell.port1 }, (reader) => {
      while (reader.next()) {
        if (reader.number !== next++) done.reject(new Error(`record ${reader.number} came as number ${next - 1}`));
        if (next === total) done.resolve();
      }
    });
    cleanups.push(() => link.close());
    // Bursts of one to fifty with pauses of a turn: both sides fall asleep and wake again and again.
    for (let sent = 0; sent < total; ) {
      for (let burst = (sent % 50) + 1; burst > 0 && sent < total; burst--)
        link.send(1, sent++, 'key', Buffer.alloc(sent % 90));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await done.promise;
    expect(next).toBe(total);
  });
});
