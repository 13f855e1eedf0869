/** Goal: order, priorities, parallelism and turns of a lane. Method: handlers that end when the test says so. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Priority } from '../../src/runtime/actor.ts';
import { ActorSystem } from '../../src/runtime/system.ts';
import { Harness, Held } from './harness.ts';

describe('a serial lane', () => {
  it('starts a message only when the one before has ended', async () => {
    const harness = new Harness();
    const held = new Held();
    const ref = harness.ref(() => held);
    for (const message of ['1', '2', '3']) await ref.tell(message);
    await harness.clock.settle();
    expect(held.started).toEqual(['1']);
    held.end('1');
    await harness.clock.settle();
    expect(held.started).toEqual(['1', '2']);
  });

  it('never runs a message inside the sender’s own call', async () => {
    const harness = new Harness();
    const held = new Held();
    const accepted = harness.ref(() => held).tell('1');
    expect(held.started).toEqual([]);
    await accepted;
    await harness.clock.settle();
    expect(held.started).toEqual(['1']);
  });

  it('keeps every sender’s order within a priority and never overlaps, whatever is sent and however it ends', async () => {
    const message = fc.record({
      sender: fc.nat(4),
      priority: fc.constantFrom<Priority>('high', 'normal', 'low'),
      acceptTurns: fc.nat(3),
      receiveTurns: fc.nat(3),
    });
    const turns = async (count: number) => {
      for (let i = 0; i < count; i++) await Promise.resolve();
    };
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 100 }), async (messages) => {
        const system = new ActorSystem();
        const received: number[] = [];
        let running = 0;
        let overlaps = 0;
        const ref = system.register<number, void>({
          kind: 'test',
          create: () => ({
            accept: (n) => (messages[n]!.acceptTurns === 0 ? undefined : turns(messages[n]!.acceptTurns)),
            receive: async (n) => {
              running += 1;
              overlaps += running > 1 ? 1 : 0;
              await turns(messages[n]!.receiveTurns);
              received.push(n);
              running -= 1;
            },
          }),
        })('one');
        const senders = Array.from({ length: 5 }, async (_, sender) => {
          for (const [n, sent] of messages.entries()) {
            if (sent.sender !== sender) continue;
            const accepted = ref.tell(n, { priority: sent.priority });
            if (sent.acceptTurns < 2) await accepted;
          }
        });
        await Promise.all(senders);
        while (system.stats().queued + system.stats().running > 0)
          await new Promise((resolve) => setImmediate(resolve));

        const inversions = received.filter((n, i) =>
          received
            .slice(0, i)
            .some(
              (earlier) =>
                earlier > n &&
                messages[earlier]!.sender === messages[n]!.sender &&
                messages[earlier]!.priority === messages[n]!.priority,
            ),
        );
        expect({ inversions, overlaps, count: received.length }).toEqual({
          inversions: [],
          overlaps: 0,
          count: messages.length,
        });
        await system.drain(0);
      }),
      { numRuns: 150 },
    );
  });
});

describe('a parallel lane', () => {
  it('runs up to k messages at a time, started in order', async () => {
    const harness = new Harness();
    const held = new Held();
    const ref = harness.ref(() => held, { parallel: 3 });
    for (const message of ['1', '2', '3', '4', '5']) await ref.tell(message);
    await harness.clock.settle();
    expect(held.started).toEqual(['1', '2', '3']);
    expect(harness.system.peek(ref.address)).toEqual({ state: 'active', running: 3, queued: 2 });
    held.end('2');
    await harness.clock.settle();
    expect(held.started).toEqual(['1', '2', '3', '4']);
  });
});

describe('priorities', () => {
  it('are strict, first in first out within each', async () => {
    const harness = new Harness();
    const received: string[] = [];
    const ref = harness.ref(() => ({ receive: (message) => void received.push(message) }));
    for (const n of [1, 2]) {
      for (const priority of ['low', 'normal', 'high'] as const) void ref.tell(`${priority} ${n}`, { priority });
    }
    await harness.clock.settle();
    expect(received).toEqual(['high 1', 'high 2', 'normal 1', 'normal 2', 'low 1', 'low 2']);
  });

  it('say how many messages are ahead: running, and waiting at the same priority or higher', async () => {
    const harness = new Harness();
    const ref = harness.ref(() => new Held());
    const queued = async (priority: Priority) => (await ref.tell(priority, { priority })).queued;
    expect(await queued('normal')).toBe(0);
    await harness.clock.settle();
    expect([await queued('low'), await queued('normal'), await queued('high'), await queued('low')]).toEqual([
      1, 1, 1, 4,
    ]);
  });
});

describe('a lane whose handlers never wait', () => {
  it('lets the event loop have its turn after a bounded burst', async () => {
    const system = new ActorSystem({ limits: { burstMax: 256 } });
    let received = 0;
    const ref = system.register<number, void>({
      kind: 'test',
      mailboxMax: 1_000,
      create: () => ({ receive: () => void received++ }),
    })('one');
    for (let i = 0; i < 1_000; i++) void ref.tell(i);
    const seen: number[] = [];
    while (received < 1_000) {
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(received);
    }
    expect(seen[0]).toBeLessThanOrEqual(512);
    expect(seen.length).toBeGreaterThanOrEqual(3);
  });

  it('can’t starve the event loop by keeping another one busy', async () => {
    const system = new ActorSystem();
    let volleys = 0;
    const refs = system.register<string, void>({
      kind: 'player',
      create: () => ({
        receive: async (other) => {
          volleys += 1;
          await refs(other).tell(other === 'ping' ? 'pong' : 'ping');
        },
      }),
    });
    await refs('ping').tell('pong');
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(volleys).toBeGreaterThan(1);
    await system.drain(100);
  });

  it('gives the lanes their turns message by message', async () => {
    const harness = new Harness();
    const received: string[] = [];
    const refs = harness.refs(({ address }) => ({ receive: (message) => void received.push(address.key + message) }));
    for (const key of ['a', 'b']) for (const message of ['1', '2', '3']) void refs(key).tell(message);
    await harness.clock.settle();
    expect(received).toEqual(['a1', 'b1', 'a2', 'b2', 'a3', 'b3']);
  });
});
