/** Goal: a paused system takes everything and starts nothing. Method: handlers that write down what was started. */
import { describe, expect, it } from 'vitest';
import { Harness, Held } from './harness.ts';

describe('a paused system', () => {
  it('accepts messages and starts none of them until it goes on, then all in order', async () => {
    const harness = new Harness();
    const accepted: string[] = [];
    const started: string[] = [];
    const refs = harness.refs(() => ({
      accept: (message) => {
        accepted.push(message);
      },
      receive: (message) => started.push(message),
    }));
    harness.system.pause();
    for (const message of ['a1', 'b1', 'a2', 'b2']) await refs(message[0] as string).tell(message);
    await harness.clock.settle();
    expect([accepted, started]).toEqual([['a1', 'b1', 'a2', 'b2'], []]);
    expect(harness.system.stats()).toMatchObject({ queued: 4, running: 0 });
    harness.system.unpause();
    await harness.clock.settle();
    expect([...started].sort()).toEqual(['a1', 'a2', 'b1', 'b2']);
    expect(started.indexOf('a1')).toBeLessThan(started.indexOf('a2'));
  });

  it('holds back what was pending from an earlier life, and what fails and would be tried again', async () => {
    const harness = new Harness();
    const started: string[] = [];
    const ref = harness.ref(
      () => ({
        receive: (message) => {
          started.push(message);
          if (started.length === 1) throw new Error('the first time');
        },
      }),
      { pending: () => ['old'] },
    );
    harness.system.pause();
    await ref.tell('new');
    await harness.clock.settle();
    expect(started).toEqual([]);
    harness.system.unpause();
    await Promise.resolve(); // the failure, and with it the backoff, comes in a microtask
    harness.system.pause();
    await harness.clock.advance(1_000);
    expect(started).toEqual(['old']);
    harness.system.unpause();
    await harness.clock.settle();
    expect(started).toEqual(['old', 'old', 'new']);
  });

  it('lets what runs go on, answers control, lets a message be cancelled and says when it is full', async () => {
    const harness = new Harness();
    const held = new Held();
    const ref = harness.ref(
      (context) => ({
        receive: held.receive,
        control: (message) => context.cancel((queued) => queued === message, new Error('cancelled')).queued,
      }),
      { mailboxMax: 2 },
    );
    await ref.tell('1');
    await harness.clock.settle();
    harness.system.pause();
    const asked = ref.ask('2', { timeoutMs: 10_000 });
    await ref.tell('3');
    await expect(ref.tell('4')).rejects.toMatchObject({ code: 'busy' });
    held.end('1');
    await harness.clock.settle();
    expect(held.started).toEqual(['1']);
    expect(await ref.control('2')).toEqual(['2']);
    expect(await asked).toMatchObject({ status: 'failed' });
    harness.system.unpause();
    await harness.clock.settle();
    expect(held.started).toEqual(['1', '3']);
  });

  it('drains at once when nothing runs, though much waits', async () => {
    const harness = new Harness();
    const ref = harness.ref(() => new Held());
    harness.system.pause();
    await ref.tell('1');
    expect(await harness.system.drain(1_000)).toEqual({ finished: true });
    expect(harness.system.stats().queued).toBe(1);
  });
});
