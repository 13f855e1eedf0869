/** Goal: deadlines, cancellation, ask and control. Method: held messages on a manual clock. */
import { describe, expect, it } from 'vitest';
import type { ActorContext, Task } from '../../src/runtime/actor.ts';
import { gate, Harness, Held } from './harness.ts';

describe('a task', () => {
  it('has an id of its own, its attempt and its deadline', async () => {
    const harness = new Harness();
    const tasks: Task[] = [];
    const ref = harness.ref(() => ({ receive: (_, task) => void tasks.push(task) }), { deadlineMs: 5_000 });
    for (const deadlineMs of [undefined, 100]) await ref.tell('x', deadlineMs === undefined ? {} : { deadlineMs });
    await harness.clock.settle();
    expect(tasks.map(({ id, attempt, deadline }) => ({ id, attempt, deadline }))).toEqual([
      { id: 'test/a#1', attempt: 1, deadline: harness.clock.now() + 5_000 },
      { id: 'test/a#2', attempt: 1, deadline: harness.clock.now() + 100 },
    ]);
  });

  it('is aborted when its deadline passes, counted from its start', async () => {
    const harness = new Harness();
    const held = new Held();
    const ref = harness.ref(() => held, { deadlineMs: 100 });
    await ref.tell('1');
    await ref.tell('2');
    await harness.clock.advance(99);
    const { signal } = held.tasks.get('1')!;
    expect(signal.aborted).toBe(false);
    await harness.clock.advance(1);
    expect(signal.reason).toMatchObject({ name: 'RuntimeError', code: 'deadline' });
    held.end('1');
    await harness.clock.advance(99);
    expect(held.tasks.get('2')!.signal.aborted).toBe(false);
    await harness.clock.advance(1);
    expect(held.tasks.get('2')!.signal.aborted).toBe(true);
  });

  it('shows an abort from before its signal was first read', async () => {
    const harness = new Harness();
    const held = new Held();
    await harness.ref(() => held, { deadlineMs: 10 }).tell('1');
    await harness.clock.advance(10);
    expect(held.tasks.get('1')!.signal.reason).toMatchObject({ code: 'deadline' });
  });

  it('keeps its place in the lane when it ignores the abort', async () => {
    const harness = new Harness();
    const held = new Held();
    const ref = harness.ref(() => held, { deadlineMs: 100 });
    await ref.tell('1');
    await ref.tell('2');
    await harness.clock.advance(10_000);
    expect(held.started).toEqual(['1']);
    held.end('1');
    await harness.clock.settle();
    expect(held.started).toEqual(['1', '2']);
  });

  it('that throws after its signal was aborted has failed, without crash or retry', async () => {
    const harness = new Harness();
    const held = new Held();
    const ref = harness.ref(() => held, { deadlineMs: 100 });
    const outcome = ref.ask('1', { timeoutMs: 1_000 });
    await harness.clock.advance(100);
    const error = new Error('gave up');
    held.fail('1', error);
    expect(await outcome).toEqual({ status: 'failed', error });
    expect(harness.events).toEqual([{ type: 'aborted', address: ref.address, message: '1', error }]);
    expect(held.started).toEqual(['1']);
    expect(harness.system.peek(ref.address)).toEqual({ state: 'active', running: 0, queued: 0 });
  });

  it('leaves no timer behind when it ends in time', async () => {
    const harness = new Harness();
    const held = new Held();
    const before = harness.clock.waiting;
    await harness.ref(() => held, { deadlineMs: 100 }).tell('1');
    await harness.clock.settle();
    held.end('1');
    await harness.clock.settle();
    expect(harness.clock.waiting).toBe(before);
  });
});

describe('context.cancel', () => {
  async function busyActor() {
    const harness = new Harness();
    const held = new Held();
    let context!: ActorContext<string>;
    const ref = harness.ref((given) => {
      context = given;
      return held;
    });
    return { harness, held, ref, context: () => context };
  }

  it('aborts matching running tasks, takes matching queued messages out, and returns both', async () => {
    const { harness, held, ref, context } = await busyActor();
    const asked = ref.ask('1 stop', { timeoutMs: 1_000 });
    const [stop, keep] = [ref.ask('2 stop', { timeoutMs: 1_000 }), ref.ask('3', { timeoutMs: 1_000 })];
    await harness.clock.settle();
    const reason = new Error('cancelled');
    const isStop = (message: string) => message.endsWith('stop');
    expect(context().cancel(isStop, reason)).toEqual({ running: ['1 stop'], queued: ['2 stop'] });
    expect(held.tasks.get('1 stop')!.signal.reason).toBe(reason);
    expect(await stop).toEqual({ status: 'failed', error: reason });
    expect(context().cancel(isStop, reason)).toEqual({ running: [], queued: [] });
    held.fail('1 stop', reason);
    expect(await asked).toEqual({ status: 'failed', error: reason });
    await harness.clock.settle();
    held.end('3', 'fine');
    expect(await keep).toEqual({ status: 'ok', value: 'fine' });
    expect(context()).toMatchObject({ queued: 0, running: 0 });
    expect(harness.system.stats()).toMatchObject({ queued: 0, running: 0 });
  });

  it('leaves messages alone that are still being accepted', async () => {
    const harness = new Harness();
    const journal = gate();
    let context!: ActorContext<string>;
    const held = new Held();
    const ref = harness.ref((given) => {
      context = given;
      return { accept: () => journal.promise, receive: held.receive };
    });
    const accepted = ref.tell('1');
    expect(context.queued).toBe(1);
    expect(context.cancel(() => true, 'reason')).toEqual({ running: [], queued: [] });
    journal.resolve();
    await accepted;
    await harness.clock.settle();
    expect(held.started).toEqual(['1']);
  });
});

describe('ask', () => {
  it('answers ok with the result of a handler that returns or resolves', async () => {
    const harness = new Harness();
    const ref = harness.ref(() => ({ receive: (message) => (message === 'now' ? 1 : Promise.resolve(2)) }));
    expect(await ref.ask('now', { timeoutMs: 10 })).toEqual({ status: 'ok', value: 1 });
    expect(await ref.ask('later', { timeoutMs: 10 })).toEqual({ status: 'ok', value: 2 });
  });

  it('answers unknown when the time passes; the message goes on and its late reply is dropped', async () => {
    const harness = new Harness();
    const held = new Held();
    const ref = harness.ref(() => held);
    const outcome = ref.ask('1', { timeoutMs: 100 });
    await harness.clock.advance(100);
    expect(await outcome).toEqual({ status: 'unknown' });
    expect(held.tasks.get('1')!.signal.aborted).toBe(false);
    held.end('1');
    await harness.clock.settle();
    expect(harness.system.stats().running).toBe(0);
    expect(await outcome).toEqual({ status: 'unknown' });
  });

  it('answers failed when the mailbox is full', async () => {
    const harness = new Harness();
    const ref = harness.ref(() => new Held(), { mailboxMax: 1 });
    await ref.tell('1');
    await harness.clock.settle();
    await ref.tell('2');
    expect(await ref.ask('3', { timeoutMs: 100 })).toMatchObject({ status: 'failed', error: { code: 'busy' } });
  });

  it('leaves no timer behind', async () => {
    const harness = new Harness();
    const before = harness.clock.waiting;
    await harness.ref(() => ({ receive: () => {} })).ask('1', { timeoutMs: 1_000 });
    expect(harness.clock.waiting).toBe(before);
  });
});

describe('control', () => {
  it('is answered at once beside running work, with a full mailbox', async () => {
    const harness = new Harness();
    const held = new Held();
    const ref = harness.ref(() => ({ receive: held.receive, control: (message) => `${message} done` }), {
      mailboxMax: 1,
    });
    await ref.tell('1');
    await harness.clock.settle();
    await ref.tell('2');
    expect(await ref.control('pause')).toBe('pause done');
    expect(held.started).toEqual(['1']);
  });

  it('brings an actor into memory', async () => {
    const harness = new Harness();
    const ref = harness.ref(() => ({ receive: () => {}, control: async () => 'here' }));
    expect(await ref.control('where?')).toBe('here');
  });

  it('that throws or rejects tells the asker, and is no crash', async () => {
    const harness = new Harness();
    const ref = harness.ref(() => ({
      receive: () => {},
      control: (message) => {
        if (message === 'throw') throw new Error('thrown');
        return Promise.reject(new Error('rejected'));
      },
    }));
    await expect(ref.control('throw')).rejects.toThrow('thrown');
    await expect(ref.control('reject')).rejects.toThrow('rejected');
    expect(harness.events).toEqual([]);
  });

  it('to an actor without control() is refused with a sentence', async () => {
    const ref = new Harness().ref(() => ({ receive: () => {} }));
    await expect(ref.control('x')).rejects.toThrow('Actors of kind test have no control().');
  });
});
