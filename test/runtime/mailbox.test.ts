/** Goal: nothing is lost and nothing exceeds its bound on the way into a lane. Method: senders against a held actor. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ring } from '../../src/runtime/ring.ts';
import { gate, Harness, Held } from './harness.ts';

describe('a ring', () => {
  it('behaves as an array does', () => {
    const operation = fc.oneof(
      fc.constant({ type: 'push' as const }),
      fc.constant({ type: 'push' as const }),
      fc.constant({ type: 'unshift' as const }),
      fc.constant({ type: 'shift' as const }),
      fc.record({ type: fc.constant('removeWhere' as const), modulus: fc.integer({ min: 2, max: 5 }) }),
    );
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        const ring = new Ring<number>();
        let model: number[] = [];
        operations.forEach((operation, n) => {
          if (operation.type === 'push') {
            ring.push(n);
            model.push(n);
          } else if (operation.type === 'unshift') {
            ring.unshift(n);
            model.unshift(n);
          } else if (operation.type === 'shift') expect(ring.shift()).toBe(model.shift());
          else {
            const kept = model.filter((item) => item % operation.modulus !== 0);
            expect(ring.removeWhere((item) => item % operation.modulus === 0)).toBe(model.length - kept.length);
            model = kept;
          }
          expect(ring.peek()).toBe(model[0]);
          expect(ring.length).toBe(model.length);
        });
        expect([...ring]).toEqual(model);
      }),
    );
  });

  it('gives back the slots of a large burst', () => {
    const ring = new Ring<number>();
    for (let i = 0; i < 5_000; i++) ring.push(i);
    for (let i = 0; i < 5_000; i++) expect(ring.shift()).toBe(i);
    expect(ring).toHaveProperty('slots.length', 4);
  });
});

describe('a mailbox', () => {
  it('is busy exactly at its limit, and whoever was not refused is received', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 20 }), fc.nat(60), async (mailboxMax, sent) => {
        const harness = new Harness();
        const held = new Held();
        const ref = harness.ref(() => held, { mailboxMax });
        await ref.tell('first');
        await harness.clock.settle();

        const outcomes = await Promise.allSettled(Array.from({ length: sent }, (_, n) => ref.tell(String(n))));
        const accepted = outcomes.flatMap(({ status }, n) => (status === 'fulfilled' ? [String(n)] : []));
        expect(accepted).toEqual(Array.from({ length: Math.min(sent, mailboxMax) }, (_, n) => String(n)));
        for (const outcome of outcomes) {
          if (outcome.status === 'rejected')
            expect(outcome.reason).toMatchObject({ name: 'RuntimeError', code: 'busy' });
        }

        for (const message of ['first', ...accepted]) {
          held.end(message);
          await harness.clock.settle();
        }
        expect(held.started).toEqual(['first', ...accepted]);
        expect(harness.system.stats()).toMatchObject({ running: 0, queued: 0 });
      }),
      { numRuns: 50 },
    );
  });

  it('counts the slots of messages still being accepted', async () => {
    const harness = new Harness();
    const journal = gate();
    const ref = harness.ref(() => ({ accept: () => journal.promise, receive: () => {} }), { mailboxMax: 2 });
    const accepted = [ref.tell('1'), ref.tell('2')];
    await expect(ref.tell('3')).rejects.toMatchObject({ code: 'busy' });
    journal.resolve();
    expect(await Promise.all(accepted)).toEqual([{ queued: 0 }, { queued: 1 }]);
  });
});

describe('accept()', () => {
  it('is called in order of arrival; messages become runnable in that order though their promises resolve in another', async () => {
    const harness = new Harness();
    const journal = new Map(['1', '2', '3'].map((message) => [message, gate()]));
    const log: string[] = [];
    const ref = harness.ref(() => ({
      accept: (message) => {
        log.push(`accept ${message}`);
        return journal.get(message)!.promise;
      },
      receive: (message) => void log.push(`receive ${message}`),
    }));
    const told = ['1', '2', '3'].map((message) => ref.tell(message).then(() => log.push(`accepted ${message}`)));
    journal.get('2')!.resolve();
    journal.get('3')!.resolve();
    await harness.clock.settle();
    expect(log).toEqual(['accept 1', 'accept 2', 'accept 3', 'accepted 2', 'accepted 3']);
    journal.get('1')!.resolve();
    await Promise.all(told);
    await harness.clock.settle();
    expect(log.filter((line) => line.startsWith('receive'))).toEqual(['receive 1', 'receive 2', 'receive 3']);
  });

  it('of one priority does not hold back another', async () => {
    const harness = new Harness();
    const held = new Held();
    const never = gate();
    const ref = harness.ref(() => ({
      accept: (message) => (message === 'high' ? never.promise : undefined),
      receive: held.receive,
    }));
    void ref.tell('high', { priority: 'high' });
    await ref.tell('low', { priority: 'low' });
    await harness.clock.settle();
    expect(held.started).toEqual(['low']);
  });

  it.each(['throws', 'rejects'])('that %s releases the slot and tells the sender, and is no crash', async (how) => {
    const harness = new Harness();
    const received: string[] = [];
    const full = new Error('journal full');
    const ref = harness.ref(
      () => ({
        accept: (message) => {
          if (message !== 'bad') return;
          if (how === 'throws') throw full;
          return Promise.reject(full);
        },
        receive: (message) => void received.push(message),
      }),
      { mailboxMax: 2 },
    );
    const bad = ref.tell('bad');
    const good = ref.tell('good');
    await expect(bad).rejects.toBe(full);
    await good;
    await harness.clock.settle();
    expect(received).toEqual(['good']);
    expect(harness.events).toEqual([]);
    expect(harness.system.stats().queued).toBe(0);
    expect(await ref.ask('bad', { timeoutMs: 1_000 })).toEqual({ status: 'failed', error: full });
  });
});
