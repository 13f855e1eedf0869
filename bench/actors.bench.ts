/**
 * What the actor runtime costs: messages through a lane beside the least an asynchronous call can cost (a function
 * called from a microtask, awaited by the caller), and the heap of an actor that has nothing to do.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Bench } from 'tinybench';
import type { Actor } from '../src/runtime/actor.ts';
import { type Clock, realClock } from '../src/runtime/clock.ts';
import { ActorSystem } from '../src/runtime/system.ts';
import type { BenchReport, BenchRow } from './report.ts';

/** Messages in one iteration; under the default mailboxMax. */
const BATCH = 64;
const IDLE_ACTORS = 100_000;

/** The smallest actor: counts what it receives, and says when a batch is through. */
class Counter implements Actor<number, number> {
  received = 0;
  private readonly onBatch: () => void;

  constructor(onBatch: () => void) {
    this.onBatch = onBatch;
  }

  receive(): number {
    this.received += 1;
    if (this.received % BATCH === 0) this.onBatch();
    return this.received;
  }
}

class AsyncCounter extends Counter {
  override receive(): number {
    return Promise.resolve(super.receive()) as unknown as number;
  }
}

async function throughput(): Promise<BenchRow[]> {
  let batchDone = () => {};
  const onBatch = () => batchDone();
  const nextBatch = () => new Promise<void>((resolve) => (batchDone = resolve));
  const system = new ActorSystem();
  const serial = system.register({ kind: 'serial', create: () => new Counter(onBatch) })('one');
  const slow = system.register({ kind: 'async', create: () => new AsyncCounter(onBatch) })('one');
  const parallel = system.register({ kind: 'parallel', parallel: 8, create: () => new AsyncCounter(onBatch) })('one');
  const journalled = system.register({
    kind: 'journalled',
    create: () => Object.assign(new Counter(onBatch), { accept: async () => {} }),
  })('one');
  const shared = new Counter(onBatch);
  const many = system.register({ kind: 'many', create: () => ({ receive: () => shared.receive() }) });
  const manyRefs = Array.from({ length: 1_000 }, (_, i) => many(`actor-${i}`));
  const baseline = new Counter(onBatch);

  const tellBatch = (ref: typeof serial) => async () => {
    const done = nextBatch();
    for (let i = 0; i < BATCH - 1; i++) void ref.tell(i);
    await ref.tell(BATCH);
    await done;
  };
  let turn = 0;
  const bench = new Bench({ time: 400, warmupTime: 200 })
    .add('function call from a microtask (baseline)', async () => {
      const done = nextBatch();
      const call = () =>
        new Promise<number>((resolve) => {
          queueMicrotask(() => resolve(baseline.receive()));
        });
      for (let i = 0; i < BATCH - 1; i++) void call();
      await call();
      await done;
    })
    .add('tell → accept → receive, serial', tellBatch(serial))
    .add('tell → accept → receive, 1,000 actors', async () => {
      const done = nextBatch();
      for (let i = 0; i < BATCH - 1; i++) void manyRefs[(turn + i) % manyRefs.length]!.tell(i);
      turn += BATCH;
      await manyRefs[turn % manyRefs.length]!.tell(BATCH);
      await done;
    })
    .add('tell, receive is async, serial', tellBatch(slow))
    .add('tell, receive is async, parallel(8)', tellBatch(parallel))
    .add('tell, accept is async, serial', tellBatch(journalled))
    .add('ask → receive → outcome, one at a time', async () => {
      for (let i = 0; i < BATCH; i++) await serial.ask(i, { timeoutMs: 1_000 });
    });
  await bench.run();

  const nanoseconds = bench.tasks.map((task) => {
    if (!('latency' in task.result)) throw new Error(`${task.name}: ${task.result.state}`, { cause: task.result });
    return (task.result.latency.mean * 1e6) / BATCH;
  });
  return bench.tasks.map((task, i) => ({
    label: task.name,
    value: Math.round(nanoseconds[i]!),
    unit: 'ns/message',
    ratio: nanoseconds[0]! / nanoseconds[i]!,
  }));
}

/** A key as a decoder makes it; one made by `+` would keep its two halves as well. */
function decodedKey(i: number): string {
  return Buffer.from(`agent:main:dm:${i}`).toString('latin1');
}

/** Heap of an actor that handled one message and was then found idle: its key, its instance and all bookkeeping. */
async function idleBytes(): Promise<BenchRow> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // The only timer in here is the sweep's: it comes when it is called.
  let sweep = () => {};
  const clock: Clock = {
    ...realClock,
    setTimeout: (callback) => {
      sweep = callback;
      return {};
    },
  };
  const system = new ActorSystem({ clock, limits: { sweepStepMax: 2 * IDLE_ACTORS } });
  const onBatch = () => {};
  const refs = system.register({ kind: 'idle', create: () => new Counter(onBatch) });
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < IDLE_ACTORS; i++) await refs(decodedKey(i)).tell(i);
  while (system.stats().queued > 0) await new Promise((resolve) => setImmediate(resolve));
  sweep();
  collect();
  const bytes = (process.memoryUsage().heapUsed - before) / IDLE_ACTORS;
  if (system.stats().actors !== IDLE_ACTORS) throw new Error('the actors left memory before they were weighed');
  return { label: `idle actor, of ${IDLE_ACTORS.toLocaleString('en')}`, value: Math.round(bytes), unit: 'bytes' };
}

export async function run(): Promise<BenchReport> {
  const rows = await throughput();
  return { name: 'actors', rows: [...rows, await idleBytes()] };
}
