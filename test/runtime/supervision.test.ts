/** Goal: a crash costs an instance, never a message. Method: actors that fail on command, on a manual clock. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ActorContext, Task } from '../../src/runtime/actor.ts';
import { DEFAULT_LIMITS } from '../../src/runtime/limits.ts';
import { Recovery } from '../../src/runtime/supervision.ts';
import { gate, Harness, Held, type TestActor } from './harness.ts';

/** Fails on messages that say so, as often as they say: `fail 2`. Notes `instance:message/attempt`. */
function failing(harness: Harness) {
  const log: string[] = [];
  const failures = new Map<string, number>();
  let instances = 0;
  const create = (): TestActor => {
    instances += 1;
    const instance = instances;
    return {
      receive: (message, task) => {
        log.push(`${instance}:${message}/${task.attempt}`);
        const count = failures.get(message) ?? 0;
        failures.set(message, count + 1);
        if (message.startsWith('fail') && count < Number(message.split(' ')[1])) throw new Error(message);
        return message;
      },
      control: () => instance,
    };
  };
  return { log, ref: harness.ref(create) };
}

describe('a crash', () => {
  it.each(['throws', 'rejects'])(
    '(receive %s) makes a new instance, which gets the same message first',
    async (how) => {
      const harness = new Harness();
      const log: string[] = [];
      let instances = 0;
      const ref = harness.ref(() => {
        instances += 1;
        const instance = instances;
        return {
          receive: (message, task) => {
            log.push(`${instance}:${message}`);
            if (message !== 'bad' || task.attempt > 1) return;
            if (how === 'throws') throw new Error('bad');
            return Promise.reject(new Error('bad'));
          },
        };
      });
      const told = [ref.tell('bad'), ref.tell('later')];
      await harness.clock.settle();
      told.push(ref.tell('next', { priority: 'high' }));
      await harness.clock.advance(DEFAULT_LIMITS.backoffMs);
      await Promise.all(told);
      expect(log).toEqual(['1:bad', '2:bad', '2:next', '2:later']);
      expect(harness.events.map(({ type }) => type)).toEqual(['crash', 'restart']);
      expect(harness.system.stats()).toMatchObject({ restarts: 1, queued: 0, running: 0 });
    },
  );

  it('is followed by a backoff that doubles', async () => {
    const harness = new Harness();
    const { ref, log } = failing(harness);
    await ref.tell('fail 2');
    await harness.clock.advance(49);
    expect(log).toEqual(['1:fail 2/1']);
    await harness.clock.advance(1);
    expect(log).toEqual(['1:fail 2/1', '2:fail 2/2']);
    await harness.clock.advance(99);
    expect(log).toHaveLength(2);
    await harness.clock.advance(1);
    expect(log).toEqual(['1:fail 2/1', '2:fail 2/2', '3:fail 2/3']);
  });

  it('keeps everything that is waiting, and accepts what comes meanwhile, in order', async () => {
    const harness = new Harness();
    const { ref, log } = failing(harness);
    const told = [ref.tell('fail 1'), ref.tell('2')];
    await harness.clock.settle();
    told.push(ref.tell('3'), ref.tell('4'));
    expect(harness.system.peek(ref.address)).toEqual({ state: 'restarting', queued: 4, running: 0 });
    await harness.clock.advance(50);
    await Promise.all(told);
    expect(log).toEqual(['1:fail 1/1', '2:fail 1/2', '2:2/1', '2:3/1', '2:4/1']);
  });

  it('lets a control wait for the next instance', async () => {
    const harness = new Harness();
    const { ref } = failing(harness);
    await ref.tell('fail 1');
    await harness.clock.settle();
    const answer = ref.control('which?');
    await harness.clock.advance(50);
    expect(await answer).toBe(2);
  });

  it('with a full mailbox keeps no control out, but neither lets in any number', async () => {
    const harness = new Harness();
    const ref = harness.ref(
      () => ({
        receive: (_, { attempt }) => {
          if (attempt === 1) throw new Error('crash');
        },
        control: (message) => message,
      }),
      { mailboxMax: 2 },
    );
    await ref.tell('1');
    await harness.clock.settle();
    const waiting = [ref.tell('2'), ref.control('a'), ref.control('b'), ref.control('c')];
    await expect(ref.control('d')).rejects.toMatchObject({ code: 'busy' });
    await harness.clock.advance(1_000);
    expect(await Promise.all(waiting)).toEqual([{ queued: 1 }, 'a', 'b', 'c']);
  });

  it('leaves the context of the crashed instance without power over the next one’s tasks', async () => {
    const harness = new Harness();
    const contexts: ActorContext<string>[] = [];
    const held = new Held();
    const ref = harness.ref((context) => {
      contexts.push(context);
      return held;
    });
    await ref.tell('1');
    await harness.clock.settle();
    held.fail('1');
    await harness.clock.advance(50);
    expect(contexts[0]!.cancel(() => true, 'reason')).toEqual({ running: [], queued: [] });
    expect(contexts[1]!.cancel(() => true, 'reason')).toEqual({ running: ['1'], queued: [] });
  });

  it('three times over the same message puts it into the dead letters with its error, and the lane goes on', async () => {
    const harness = new Harness();
    const { ref, log } = failing(harness);
    const asked = ref.ask('fail 3', { timeoutMs: 10_000 });
    await ref.tell('next');
    await harness.clock.advance(50 + 100 + 200);
    const error = new Error('fail 3');
    expect([...harness.system.deadLetters]).toEqual([
      { address: ref.address, message: 'fail 3', error, attempts: 3, at: harness.clock.now() - 200 },
    ]);
    expect(harness.eventsOf('deadLetter')).toHaveLength(1);
    expect(await asked).toEqual({ status: 'failed', error });
    expect(log.at(-1)).toBe('4:next/1');
    expect(harness.system.stats().deadLetters).toBe(1);
  });

  it('of one of several parallel tasks lets the others end before there is a new instance', async () => {
    const harness = new Harness();
    const held = new Held();
    let instances = 0;
    const ref = harness.ref(
      () => {
        instances += 1;
        const instance = instances;
        return { receive: held.receive, control: () => instance };
      },
      { parallel: 2 },
    );
    for (const message of ['1', '2', '3']) await ref.tell(message);
    await harness.clock.settle();
    held.fail('1');
    await harness.clock.advance(1_000);
    expect(instances).toBe(1);
    expect(held.started).toEqual(['1', '2']);
    expect(await ref.control('who runs 2?')).toBe(1);
    held.fail('2');
    await harness.clock.settle();
    expect(instances).toBe(2);
    expect(held.started.slice(2).sort()).toEqual(['1', '2']);
    expect(harness.eventsOf('crash')).toHaveLength(2);
    expect(harness.eventsOf('restart')).toHaveLength(1);
  });

  it('does not lose a message whose accept() was still under way', async () => {
    const harness = new Harness();
    const journal = gate();
    const log: string[] = [];
    const ref = harness.ref(() => ({
      accept: (message) => (message === 'slow' ? journal.promise : undefined),
      receive: (message, task) => {
        log.push(message);
        if (message === 'bad' && task.attempt === 1) throw new Error('bad');
      },
    }));
    const told = [ref.tell('bad'), ref.tell('slow')];
    await harness.clock.settle();
    journal.resolve();
    await Promise.all(told);
    await harness.clock.advance(50);
    expect(log).toEqual(['bad', 'bad', 'slow']);
  });
});

describe('a crashed instance', () => {
  it.each(['accept', 'control'])('is not followed by the next one while a call of its %s goes on', async (method) => {
    const harness = new Harness();
    const held = gate();
    let instances = 0;
    const ref = harness.ref(() => {
      instances += 1;
      return {
        accept: (message) => (message === 'held' && method === 'accept' ? held.promise : undefined),
        control: () => (instances === 1 ? held.promise : instances),
        receive: (message, { attempt }) => {
          if (message === 'fail' && attempt === 1) throw new Error('crash');
        },
      };
    });
    await ref.tell('idle');
    const call = method === 'accept' ? ref.tell('held') : ref.control('held');
    await ref.tell('fail', { priority: 'high' });
    await harness.clock.advance(1_000);
    expect(harness.system.peek(ref.address)?.state).toBe('restarting');
    const later = ref.control('which?');
    expect(instances).toBe(1);
    held.resolve();
    await call;
    expect(await later).toBe(2);
    expect(harness.system.peek(ref.address)).toMatchObject({ state: 'active', queued: 0 });
  });

  it('is not followed by the next one, and does not leave memory, while work it holds goes on', async () => {
    const harness = new Harness();
    const works = [gate(), gate()];
    let instances = 0;
    const ref = harness.ref(
      (context) => {
        instances += 1;
        return {
          control: () => context.hold(works[instances - 1]!.promise),
          receive: (_, { attempt }) => {
            if (attempt === 1) throw new Error('crash');
          },
        };
      },
      { idleMs: 1_000 },
    );
    await ref.control('hold');
    await ref.tell('fail');
    await harness.clock.advance(1_000);
    expect(instances).toBe(1);
    works[0]!.reject(new Error('nobody looks at it'));
    await harness.clock.settle();
    expect(instances).toBe(2);
    await ref.control('hold');
    await harness.clock.advance(100_000);
    expect(harness.system.peek(ref.address)?.state).toBe('active');
    works[1]!.resolve();
    await harness.clock.advance(100_000);
    expect(harness.system.peek(ref.address)).toBeUndefined();
  });

  it('does not hear of the message it has failed for the last time: the next one does', async () => {
    const harness = new Harness();
    let instances = 0;
    const ref = harness.ref(() => {
      instances += 1;
      const instance = instances;
      return {
        receive: () => {
          throw new Error('crash');
        },
        control: () => instance,
      };
    });
    const told: Promise<unknown>[] = [];
    harness.onEvent = ({ type }) => {
      if (type === 'deadLetter') told.push(ref.control('bury'));
    };
    await ref.tell('poison');
    await harness.clock.advance(1_000);
    expect(await Promise.all(told)).toEqual([4]);
    expect(harness.events.map(({ type }) => type).slice(-3)).toEqual(['crash', 'deadLetter', 'restart']);
  });
});

describe('create() or pending() that throws', () => {
  it.each(['create', 'pending'])('counts as a crash and loses no message (%s)', async (which) => {
    const harness = new Harness();
    const received: string[] = [];
    let attempts = 0;
    const attempt = (place: string) => {
      if (place === which && ++attempts <= 2) throw new Error(`${place} failed`);
    };
    const ref = harness.ref(
      () => {
        attempt('create');
        return { receive: (message) => void received.push(message), control: () => 'up' };
      },
      {
        pending: function* () {
          yield 'from before';
          attempt('pending');
        },
      },
    );
    const told = [ref.tell('1'), ref.tell('2', { priority: 'high' }), ref.tell('3')];
    const control = ref.control('x');
    await harness.clock.advance(50 + 100);
    await Promise.all(told);
    expect(await control).toBe('up');
    expect(received).toEqual(['from before', '2', '1', '3']);
    expect(harness.events.map(({ type }) => type)).toEqual(['crash', 'crash', 'restart']);
  });
});

describe('more than 5 restarts in 60 s', () => {
  async function stopped() {
    const harness = new Harness();
    const actor = failing(harness);
    await Promise.all(['fail 3', 'fail 99', 'kept'].map((message) => actor.ref.tell(message)));
    await harness.clock.advance(50 + 100 + 200 + 400 + 800);
    return { harness, ...actor };
  }

  it('stop the actor, which says so and refuses new messages and controls with a time', async () => {
    const { harness, ref } = await stopped();
    expect(harness.eventsOf('crash')).toHaveLength(6);
    expect(harness.eventsOf('stopped')).toMatchObject([{ address: ref.address, retryAfterMs: 60_000 }]);
    expect(harness.system.peek(ref.address)).toEqual({ state: 'stopped', queued: 1, running: 0 });
    await harness.clock.advance(20_000);
    await expect(ref.tell('x')).rejects.toMatchObject({ code: 'stopped', retryAfterMs: 40_000 });
    await expect(ref.control('x')).rejects.toMatchObject({ code: 'stopped', retryAfterMs: 40_000 });
  });

  it('keep what was waiting for when it starts again by itself', async () => {
    const { harness, log, ref } = await stopped();
    const before = log.length;
    await harness.clock.advance(59_999);
    expect(log).toHaveLength(before);
    await harness.clock.advance(1);
    expect(log.slice(before)).toEqual(['7:kept/1']);
    expect(await ref.ask('again', { timeoutMs: 10 })).toEqual({ status: 'ok', value: 'again' });
  });

  it('can be ended by resume()', async () => {
    const { harness, log, ref } = await stopped();
    expect(harness.system.resume(ref.address)).toBe(true);
    await harness.clock.settle();
    expect(log.at(-1)).toBe('7:kept/1');
    expect(harness.system.resume(ref.address)).toBe(false);
    expect(harness.system.resume({ kind: 'test', key: 'nobody' })).toBe(false);
  });

  it('tell those whose messages were not accepted yet', async () => {
    const harness = new Harness();
    const ref = harness.ref(() => {
      throw new Error('never');
    });
    const refused = expect(ref.tell('1')).rejects.toMatchObject({ code: 'stopped', retryAfterMs: 60_000 });
    await harness.clock.advance(50 + 100 + 200 + 400 + 800);
    await refused;
    expect(harness.system.stats().queued).toBe(0);
  });
});

describe('whatever crashes', () => {
  it('every accepted message is handled once or in the dead letters, and no two instances work at a time', async () => {
    const kinds = fc.array(fc.record({ failures: fc.nat(3), isAsync: fc.boolean() }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(kinds, fc.integer({ min: 1, max: 3 }), fc.nat(4), async (messages, parallel, createFailures) => {
        const harness = new Harness();
        const handled: number[] = [];
        const working = new Set<object>();
        let creates = 0;
        let mixed = 0;
        const ref = harness.ref(
          () => {
            creates += 1;
            if (creates <= createFailures) throw new Error('create');
            const instance = {
              receive: async (message: string, { attempt }: Task) => {
                const n = Number(message);
                working.add(instance);
                mixed += working.size > 1 ? 1 : 0;
                if (messages[n]!.isAsync) await harness.wait(30);
                working.delete(instance);
                if (attempt <= messages[n]!.failures) throw new Error(message);
                handled.push(n);
              },
            };
            return instance;
          },
          { parallel },
        );
        const told = Promise.all(messages.map((_, n) => ref.tell(String(n))));
        await harness.clock.advance(20 * 60_000);
        await told;
        const dead = [...harness.system.deadLetters].map(({ message }) => Number(message));
        const isDead = (n: number) => messages[n]!.failures >= 3;
        const all = messages.map((_, n) => n);
        expect(dead.toSorted((a, b) => a - b)).toEqual(all.filter(isDead));
        expect(handled.toSorted((a, b) => a - b)).toEqual(all.filter((n) => !isDead(n)));
        expect(mixed).toBe(0);
        if (parallel === 1) expect(handled).toEqual(handled.toSorted((a, b) => a - b));
        expect(harness.system.stats()).toMatchObject({ running: 0, queued: 0 });
      }),
      { numRuns: 60 },
    );
  });
});

describe('the record of crashes', () => {
  it('waits 50 ms and doubles up to 5 s, and begins anew after a quiet minute', () => {
    const recovery = new Recovery(DEFAULT_LIMITS);
    // One crash in 15 s never makes more than five in a minute.
    const waits = Array.from({ length: 9 }, (_, n) => recovery.crashed(n * 15_000));
    expect(waits.map(({ waitMs }) => waitMs)).toEqual([50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    expect(waits.every(({ stopped }) => !stopped)).toBe(true);
    expect(recovery.crashed(8 * 15_000 + 60_000)).toEqual({ stopped: false, waitMs: 50 });
  });

  it('stops at the sixth crash within a minute, not at the fifth', () => {
    const recovery = new Recovery(DEFAULT_LIMITS);
    const verdicts = [0, 1, 2, 3, 4, 59_999].map((at) => recovery.crashed(at).stopped);
    expect(verdicts).toEqual([false, false, false, false, false, true]);
  });
});

describe('a timer', () => {
  it('calls back when its time has come, beside running work, unless it was cancelled', async () => {
    const harness = new Harness();
    const fired: string[] = [];
    const held = new Held();
    const ref = harness.ref(({ timers }) => {
      timers.after(100, () => void fired.push('kept'));
      timers.after(100, () => void fired.push('cancelled')).cancel();
      return held;
    });
    await ref.tell('1');
    await harness.clock.advance(100);
    expect(fired).toEqual(['kept']);
    expect(held.started).toEqual(['1']);
  });

  it.each(['throws', 'rejects'])('that %s crashes the actor, and dies with the crashed instance', async (how) => {
    const harness = new Harness();
    const fired: number[] = [];
    let instances = 0;
    const ref = harness.ref(({ timers }) => {
      instances += 1;
      const instance = instances;
      timers.after(30, () => void fired.push(instance));
      if (instance === 1) {
        timers.after(20, () => {
          if (how === 'throws') throw new Error('tick');
          return Promise.reject(new Error('tick'));
        });
      }
      return { receive: () => 'alive' };
    });
    await ref.tell('1');
    await harness.clock.advance(20);
    expect(harness.eventsOf('crash')).toHaveLength(1);
    await harness.clock.advance(80);
    expect(fired).toEqual([2]);
    expect(await ref.ask('2', { timeoutMs: 10 })).toEqual({ status: 'ok', value: 'alive' });
  });

  it('is refused past the limit, for an impossible time, and to a dead instance', async () => {
    const harness = new Harness({ timersMax: 2 });
    const contexts: { after: (ms: number) => unknown }[] = [];
    const ref = harness.ref(({ timers }) => {
      contexts.push({ after: (ms) => timers.after(ms, () => {}) });
      return {
        receive: (_, { attempt }) => {
          if (attempt === 1) throw new Error('crash');
        },
      };
    });
    const told = ref.tell('1');
    contexts[0]!.after(1_000);
    contexts[0]!.after(1_000);
    expect(() => contexts[0]!.after(1_000)).toThrow(expect.objectContaining({ code: 'busy' }));
    for (const ms of [-1, Number.NaN, 2 ** 31]) expect(() => contexts[0]!.after(ms)).toThrow(RangeError);
    await told;
    await harness.clock.settle();
    expect(() => contexts[0]!.after(1_000)).toThrow(expect.objectContaining({ code: 'closed' }));
  });
});
