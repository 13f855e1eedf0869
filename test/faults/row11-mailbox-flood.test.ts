/**
 * Goal: a session that is flooded keeps to its mailbox, tells everybody whom it refuses, answers what it accepted, and holds
 * up no other session (scorecard 11). Method: 100,000 messages to one session from connections that never wait for more than
 * they must, and somebody who talks in another session of the same shard before and meanwhile.
 */
import { Worker } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import type { Flood, FloodEnd } from '../support/flooder.ts';
import { gatewayProcess } from '../support/gateway.ts';
import { within } from '../support/wait.ts';
import type { WireClient } from '../support/wire-client.ts';

const MESSAGES = 100_000;
const MAILBOX_MAX = 100;
/** A busy machine makes as much of an answer that takes 4 ms on an idle one. Before there were bounds it was seconds. */
const LATENCY_FLOOR_MS = 1_000;

const config = {
  shards: { count: 1 },
  sessions: { mailboxMax: MAILBOX_MAX },
  gateway: { limits: { requestsPerSecond: 1_000_000 } },
};

/** Resolves when all is answered. The flood ends with the test. */
function flood(workerData: Flood): Promise<FloodEnd> {
  const worker = new Worker(new URL('../support/flooder.ts', import.meta.url), { workerData });
  onTestFinished(async () => void (await worker.terminate()));
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
}

/** Milliseconds from sending to the end of the run, of one message after the other, until `isOver`; sorted. */
async function latencies(client: WireClient, session: string, isOver: () => boolean): Promise<number[]> {
  const times: number[] = [];
  while (!isOver()) {
    const start = performance.now();
    await client.runEnd((await client.ask('message.send', { session, text: 'hi' })).message);
    times.push(performance.now() - start);
    client.frames.length = 0; // or looking for the next one takes longer and longer
  }
  return times.sort((a, b) => a - b);
}

const p99 = (sorted: number[]) => sorted[Math.ceil(sorted.length * 0.99) - 1] as number;

it('100,000 messages to one session: its mailbox holds, each is accepted and answered or refused, others go on', async () => {
  const gateway = await gatewayProcess({ config });
  const [client, watcher] = [await gateway.connect(), await gateway.connect()];
  const session = async (user: string) => (await client.ask('session.create', { user })).session.id;
  const [flooded, other] = [await session('flooded'), await session('other')];
  let rounds = 0;
  const before = await latencies(client, other, () => ++rounds > 200);

  let isOver = false;
  const { url, token } = gateway;
  const flooding = flood({ url, token, session: flooded, messages: MESSAGES, connections: 4 });
  const ended = within(60_000, flooding, () => 'the end of the flood').finally(() => {
    isOver = true;
  });
  const watching = (async () => {
    let queuedMax = 0;
    while (!isOver) {
      for (const { queued } of (await watcher.ask('status')).shards) queuedMax = Math.max(queuedMax, queued);
      watcher.frames.length = 0;
    }
    return queuedMax;
  })();
  const meanwhile = latencies(client, other, () => isOver);
  const [{ accepted, answered, refused, wrong }, queuedMax, during] = await Promise.all([ended, watching, meanwhile]);

  expect(refused).toEqual({ busy: MESSAGES - accepted.length });
  expect(accepted.length).toBeGreaterThanOrEqual(MAILBOX_MAX);
  expect(answered).toEqual(accepted.toSorted()); // each once, in the order of the ids they were given on arrival
  expect(wrong).toBe(0);
  expect(queuedMax).toBeLessThanOrEqual(MAILBOX_MAX + 1); // and the other session's own
  expect((await watcher.ask('status')).shards).toMatchObject([{ restarts: 0, deadLetters: 0 }]);
  expect(p99(during)).toBeLessThanOrEqual(Math.max(2 * p99(before), LATENCY_FLOOR_MS));
}, 90_000);
