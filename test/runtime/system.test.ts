/** Goal: actors come, idle, leave and drain without losing anything. Method: a manual clock moves the sweep. */
import { describe, expect, it } from 'vitest';
import { DeadLetters } from '../../src/runtime/dead-letters.ts';
import { ActorSystem } from '../../src/runtime/system.ts';
import { gate, Harness, Held } from './harness.ts';

/** Past the idle time of 10 s, and the two rounds of the sweep around it. */
const IDLE = { idleMs: 10_000 };
const PAST_IDLE_MS = 12_000;

describe('a ref', () => {
  it('brings nothing into memory until it is used', async () => {
    const harness = new Harness();
    let created = 0;
    const ref = harness.ref(() => {
      created += 1;
      return { receive: () => {} };
    });
    expect(ref.address).toEqual({ kind: 'test', key: 'a' });
    expect([created, harness.system.peek(ref.address)]).toEqual([0, undefined]);
    await ref.tell('1');
    expect([created, harness.system.stats().actors]).toEqual([1, 1]);
  });

  it('reaches actors of one key only, prototype names included', async () => {
    const harness = new Harness();
    const received: string[] = [];
    const refs = harness.refs(({ address }) => ({ receive: (message) => void received.push(address.key + message) }));
    for (const key of ['__proto__', 'constructor', '']) await refs(key).tell('!');
    await harness.clock.settle();
    expect(received).toEqual(['__proto__!', 'constructor!', '!']);
  });
});

describe('register', () => {
  it('refuses a kind twice, and limits that make no sense', () => {
    const system = new ActorSystem();
    const create = () => ({ receive: () => {} });
    system.register({ kind: 'a', create });
    expect(() => system.register({ kind: 'a', create })).toThrow('Kind a is registered already.');
    expect(() => system.register({ kind: 'b', parallel: 0, create })).toThrow('Kind b: parallel is at least 1.');
    expect(() => system.register({ kind: 'c', mailboxMax: 0, create })).toThrow('Kind c: mailboxMax is at least 1.');
  });
});

describe('pending()', () => {
  it('is run first, in order, without accept() and beyond mailboxMax, which then holds for newcomers', async () => {
    const harness = new Harness();
    const accepted: string[] = [];
    const held = new Held();
    const ref = harness.ref(() => ({ accept: (message) => void accepted.push(message), receive: held.receive }), {
      mailboxMax: 2,
      pending: (key) => ['1', '2', '3'].map((n) => key + n),
    });
    await expect(ref.tell('new', { priority: 'high' })).rejects.toMatchObject({ code: 'busy' });
    await harness.clock.settle();
    held.end('a1');
    await harness.clock.settle();
    await ref.tell('new', { priority: 'high' });
    for (const message of ['a2', 'a3']) {
      held.end(message);
      await harness.clock.settle();
    }
    expect(held.started).toEqual(['a1', 'a2', 'a3', 'new']);
    expect(accepted).toEqual(['new']);
  });

  it('is not read again after a crash', async () => {
    const harness = new Harness();
    let reads = 0;
    const received: string[] = [];
    const ref = harness.ref(
      () => ({
        receive: (message, { attempt }) => {
          received.push(message);
          if (attempt === 1) throw new Error('crash');
        },
      }),
      { pending: () => (reads++ === 0 ? ['old'] : ['twice']) },
    );
    await ref.tell('new');
    await harness.clock.advance(1_000);
    expect(reads).toBe(1);
    expect(received).toEqual(['old', 'old', 'new', 'new']);
  });
});

describe('passivation', () => {
  it('takes an idle actor out of memory; its next message brings it back', async () => {
    const harness = new Harness();
    const log: string[] = [];
    const ref = harness.ref(
      () => {
        log.push('create');
        return { receive: (message) => void log.push(message), passivate: () => void log.push('passivate') };
      },
      {
        ...IDLE,
        pending: () => {
          log.push('pending');
          return [];
        },
      },
    );
    await ref.tell('1');
    await harness.clock.advance(9_999);
    expect(harness.system.peek(ref.address)).toBeDefined();
    await harness.clock.advance(PAST_IDLE_MS - 9_999);
    expect(harness.system.peek(ref.address)).toBeUndefined();
    expect(harness.eventsOf('passivated')).toEqual([{ type: 'passivated', address: ref.address }]);
    await ref.tell('2');
    await harness.clock.settle();
    expect(log).toEqual(['pending', 'create', '1', 'passivate', 'pending', 'create', '2']);
  });

  it('starts its time anew with every message and control', async () => {
    const harness = new Harness();
    const ref = harness.ref(() => ({ receive: () => {}, control: () => {} }), IDLE);
    await ref.tell('1');
    for (let i = 0; i < 10; i++) {
      await harness.clock.advance(8_000);
      await (i % 2 === 0 ? ref.tell('again') : ref.control('again'));
    }
    expect(harness.eventsOf('passivated')).toEqual([]);
  });

  it.each(['running', 'being accepted', 'in control'])('leaves an actor alone with something %s', async (what) => {
    const harness = new Harness();
    const work = gate();
    const ref = harness.ref(
      () => ({
        accept: () => (what === 'being accepted' ? work.promise : undefined),
        receive: () => (what === 'running' ? work.promise : undefined),
        control: () => work.promise,
      }),
      IDLE,
    );
    const call = what === 'in control' ? ref.control('x') : ref.tell('x');
    await harness.clock.advance(100_000);
    expect(harness.system.peek(ref.address)).toBeDefined();
    work.resolve();
    await call;
    await harness.clock.advance(PAST_IDLE_MS);
    expect(harness.system.peek(ref.address)).toBeUndefined();
  });

  it('makes room beyond activeMax: the actor that has been idle longest leaves', async () => {
    const harness = new Harness();
    const refs = harness.refs(() => ({ receive: () => {} }), { activeMax: 3 });
    for (const key of ['a', 'b', 'c']) {
      await refs(key).tell('x');
      await harness.clock.advance(5_000);
    }
    await refs('a').tell('again');
    await harness.clock.advance(5_000);
    await refs('d').tell('x');
    await harness.clock.settle();
    const left = ['a', 'b', 'c', 'd'].filter((key) => harness.system.peek({ kind: 'test', key }) === undefined);
    expect(left).toEqual(['b']);
    expect(harness.eventsOf('passivated').map(({ address }) => address.key)).toEqual(['b']);
    expect(harness.system.stats().actors).toBe(3);
  });

  it('says full, and accepts nothing, when all actors that may be in memory are at work', async () => {
    const harness = new Harness();
    const held = new Held();
    const refs = harness.refs(() => ({ receive: held.receive, control: () => {} }), { activeMax: 2 });
    await refs('a').tell('one');
    await refs('b').tell('two');
    await harness.clock.settle();
    await expect(refs('c').tell('three')).rejects.toMatchObject({ code: 'full' });
    await expect(refs('c').control('x')).rejects.toMatchObject({ code: 'full' });
    expect(await refs('c').ask('three', { timeoutMs: 1_000 })).toMatchObject({ status: 'failed' });
    await refs('a').tell('four');
    held.end('two');
    await harness.clock.settle();
    await refs('c').tell('five');
    await harness.clock.settle();
    expect(harness.system.peek({ kind: 'test', key: 'b' })).toBeUndefined();
    expect(held.started).toEqual(['one', 'two', 'five']);
  });

  it('lets what arrives while passivate() is pending wait, in order, for the next instance', async () => {
    const harness = new Harness();
    const leaving = gate();
    const log: string[] = [];
    let instances = 0;
    const ref = harness.ref(() => {
      instances += 1;
      const instance = instances;
      return {
        accept: (message) => void log.push(`${instance} accepts ${message}`),
        receive: (message) => void log.push(`${instance} receives ${message}`),
        control: (message) => `${instance} answers ${message}`,
        passivate: () => leaving.promise,
      };
    }, IDLE);
    await ref.tell('1');
    await harness.clock.advance(PAST_IDLE_MS);
    const told = [ref.tell('2'), ref.tell('3')];
    const answer = ref.control('c');
    await harness.clock.settle();
    expect(harness.system.peek(ref.address)).toEqual({ state: 'passivating', queued: 2, running: 0 });
    leaving.resolve();
    await Promise.all(told);
    expect(await answer).toBe('2 answers c');
    await harness.clock.settle();
    expect(log.slice(2)).toEqual(['2 accepts 2', '2 accepts 3', '2 receives 2', '2 receives 3']);
  });

  it.each(['throws', 'rejects'])('goes on when passivate() %s, and says so', async (how) => {
    const harness = new Harness();
    const error = new Error('disk full');
    const ref = harness.ref(
      () => ({
        receive: () => {},
        passivate: () => {
          if (how === 'throws') throw error;
          return Promise.reject(error);
        },
      }),
      IDLE,
    );
    await ref.tell('1');
    await harness.clock.advance(PAST_IDLE_MS);
    expect(harness.system.peek(ref.address)).toBeUndefined();
    expect(harness.eventsOf('passivateFailed')).toMatchObject([{ address: ref.address, error }]);
  });

  it('ends the actor’s timers', async () => {
    const harness = new Harness();
    let fired = 0;
    const ref = harness.ref((context) => {
      context.timers.after(60_000, () => void fired++);
      return { receive: () => {} };
    }, IDLE);
    await ref.tell('1');
    await harness.clock.advance(PAST_IDLE_MS + 60_000);
    expect(harness.system.peek(ref.address)).toBeUndefined();
    expect(fired).toBe(0);
  });

  it('looks at a bounded number of actors a step, and at all of them in the end', async () => {
    const harness = new Harness({ sweepStepMax: 10 });
    const refs = harness.refs(() => ({ receive: () => {} }), IDLE);
    for (let i = 0; i < 100; i++) await refs(String(i)).tell('1');
    await harness.clock.advance(11_000);
    const left = harness.system.stats().actors;
    expect(left % 10).toBe(0);
    expect(left).toBeGreaterThan(0);
    await harness.clock.advance(2_000);
    expect(harness.system.stats().actors).toBe(0);
  });
});

describe('drain', () => {
  it('refuses new messages, starts no queued ones, and finishes when the running ones have ended', async () => {
    const harness = new Harness();
    const held = new Held();
    const refs = harness.refs(() => ({ receive: held.receive, control: () => 'still here' }));
    const ref = refs('a');
    const running = ref.ask('1', { timeoutMs: 60_000 });
    const queued = ref.ask('2', { timeoutMs: 60_000 });
    await harness.clock.settle();
    const drained = harness.system.drain(1_000);
    await expect(ref.tell('3')).rejects.toMatchObject({ code: 'closed' });
    await expect(refs('new').tell('3')).rejects.toMatchObject({ code: 'closed' });
    await expect(refs('new').control('x')).rejects.toMatchObject({ code: 'closed' });
    expect(await ref.control('x')).toBe('still here');
    held.end('1');
    expect(await drained).toEqual({ finished: true });
    expect(await running).toEqual({ status: 'ok', value: '1 done' });
    expect(await queued).toEqual({ status: 'unknown' });
    expect(held.started).toEqual(['1']);
    expect(harness.clock.waiting).toBe(0);
  });

  it('waits for messages being accepted, so that their senders know', async () => {
    const harness = new Harness();
    const journal = gate();
    const received: string[] = [];
    const ref = harness.ref(() => ({
      accept: () => journal.promise,
      receive: (message) => void received.push(message),
    }));
    const told = ref.tell('1');
    let isDrained = false;
    const drained = harness.system.drain(1_000).finally(() => {
      isDrained = true;
    });
    await harness.clock.settle();
    expect(isDrained).toBe(false);
    journal.resolve();
    expect(await told).toEqual({ queued: 0 });
    expect(await drained).toEqual({ finished: true });
    expect(received).toEqual([]);
  });

  it('aborts what is left at the timeout, and ends all timers', async () => {
    const harness = new Harness();
    const held = new Held();
    const ref = harness.ref(
      ({ timers }) => {
        timers.after(60_000, () => {});
        return held;
      },
      { deadlineMs: 60_000 },
    );
    const asked = ref.ask('1', { timeoutMs: 60_000 });
    await harness.clock.settle();
    const drained = harness.system.drain(1_000);
    await harness.clock.advance(1_000);
    const { reason } = held.tasks.get('1')!.signal;
    expect(reason).toMatchObject({ code: 'closed' });
    held.fail('1', reason);
    await harness.clock.settle();
    expect(await drained).toEqual({ finished: false });
    expect(await asked).toEqual({ status: 'failed', error: reason });
    await harness.clock.settle();
    expect(harness.clock.waiting).toBe(0);
  });

  it('tells those who wait for a restart that nothing was accepted', async () => {
    const harness = new Harness();
    const ref = harness.ref(() => {
      throw new Error('down');
    });
    const calls = [ref.tell('1'), ref.control('x')].map((call) =>
      expect(call).rejects.toMatchObject({ code: 'closed' }),
    );
    expect(await harness.system.drain(1_000)).toEqual({ finished: true });
    await Promise.all(calls);
    expect(harness.clock.waiting).toBe(0);
  });

  it('is the same drain when asked for twice', () => {
    const { system } = new Harness();
    expect(system.drain(1)).toBe(system.drain(1));
  });

  it('waits no longer when it is asked to hurry', async () => {
    const harness = new Harness();
    const held = new Held();
    const ref = harness.ref(() => held);
    void ref.tell('1');
    await harness.clock.settle();
    const drained = harness.system.drain(60_000);
    void harness.system.drain(10);
    await harness.clock.advance(10);
    expect(held.tasks.get('1')!.signal.reason).toMatchObject({ code: 'closed' });
    // It ignores the abort: it is given a second more, and left.
    await harness.clock.advance(1_000);
    expect(await drained).toEqual({ finished: false });
    held.fail('1', new Error('gone'));
    await harness.clock.settle();
    expect(harness.clock.waiting).toBe(0);
  });
});

describe('dead letters', () => {
  it('are bounded: the oldest makes room and is counted; some can be taken out', () => {
    const letters = new DeadLetters(3);
    const letter = (at: number) => ({ address: { kind: 'k', key: 'a' }, message: at, error: null, attempts: 3, at });
    for (let at = 1; at <= 5; at++) letters.add(letter(at));
    expect([...letters].map(({ at }) => at)).toEqual([3, 4, 5]);
    expect(letters).toMatchObject({ size: 3, evicted: 2 });
    expect(letters.take(({ at }) => at === 4)).toEqual([letter(4)]);
    expect(letters.size).toBe(2);
  });
});

describe('an observer that throws', () => {
  it('becomes a process warning and touches no actor', async () => {
    const warned = gate<Error>();
    process.once('warning', warned.resolve);
    const system = new ActorSystem({
      onEvent: () => {
        throw new Error('observer broke');
      },
    });
    const ref = system.register<string, string>({
      kind: 'test',
      create: () => ({
        receive: (message, { attempt }) => {
          if (attempt === 1) throw new Error('crash');
          return message;
        },
      }),
    })('a');
    expect(await ref.ask('1', { timeoutMs: 5_000 })).toEqual({ status: 'ok', value: '1' });
    expect((await warned.promise).message).toBe('observer broke');
    await system.drain(0);
  });
});
