/**
 * Row 19: a worker dies, a worker hangs. Bar: its sessions are served again within 2 s, what was accepted is answered, other
 * shards notice nothing; past the restart intensity `/ready` is 503. Method: the gateway in this process, its threads
 * terminated by the test or hung by a failpoint.
 */
import type { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { shardOf } from '../../src/shards/placement.ts';
import { type ConfigInput, type LocalGateway, localGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

/** Time from the watchdog's verdict on; what a loaded machine needs to start a thread comes on top. */
const REHOMED_MS = 2_000;
const SLACK_MS = 3_000;
const STUCK_MS = 1_500;

/** The threads of the gateway, the replaced ones included, in the order they came. */
async function withShards(
  config: ConfigInput,
  failpoint?: string,
): Promise<{ gateway: LocalGateway; workers: Worker[] }> {
  const workers: Worker[] = [];
  process.on('worker', (worker: Worker) => void workers.push(worker));
  if (failpoint !== undefined) process.env.DHAAVAK_FAILPOINT = failpoint;
  try {
    return { gateway: await localGateway(config), workers };
  } finally {
    delete process.env.DHAAVAK_FAILPOINT; // a thread that comes in place of another has none
  }
}

async function readiness(gateway: LocalGateway): Promise<{ status: number; reason?: string }> {
  const headers = { authorization: `Bearer ${gateway.token}` };
  const response = await fetch(`${gateway.httpUrl}/ready`, { headers });
  const { reason } = (await response.json()) as { reason?: string };
  return { status: response.status, ...(reason !== undefined && { reason }) };
}

/** A session on each of two shards. */
async function sessionOnEach(gateway: LocalGateway): Promise<[string, string]> {
  const client = await gateway.connect();
  const found: string[] = [];
  for (let i = 0; found[0] === undefined || found[1] === undefined; i++) {
    const { session } = await client.ask('session.create', { user: `u${i}` });
    found[shardOf(session.id, 2)] ??= session.id;
  }
  return found as [string, string];
}

it('row 19: a shard that hangs is replaced, its message answered, and the other shard serves all the while', async () => {
  const { gateway } = await withShards({ shards: { count: 2, stuckAfterMs: STUCK_MS } }, 'model.before=spin');
  const [hung, well] = await sessionOnEach(gateway);
  const client = await gateway.connect();
  const other = await gateway.connect();
  let served = 0;
  let over = false;
  const serving = (async () => {
    while (!over) {
      await other.ask('session.get', { session: well });
      served += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  const request = { session: hung, text: 'hello', idempotencyKey: 'once' };
  const start = performance.now();
  // It hangs before it could acknowledge: who is told so asks again, under the same key.
  const told = await client.reply(client.send('message.send', request));
  expect(told.error).toMatchObject({ code: 'unavailable', retryable: true });
  const { message, outcome } = await until(
    REHOMED_MS + SLACK_MS,
    async () => {
      const again = await client.reply(client.send('message.send', request));
      return again.error === undefined
        ? (again.data as unknown as { message: string; outcome?: { status: string } })
        : undefined;
    },
    'an acknowledgement',
  );
  // Answered before it was asked about again: then the first answer comes with the acknowledgement.
  const status = outcome?.status ?? (await client.runEnd(message)).data.status;
  expect(status).toBe('ok');
  expect(performance.now() - start).toBeLessThan(STUCK_MS + REHOMED_MS + SLACK_MS);
  over = true;
  await serving;
  expect(served).toBeGreaterThan(5);
  const { shards } = await other.ask('status');
  expect(shards.map(({ restarts }) => restarts).toSorted()).toEqual([0, 1]);
});

it('row 19: a shard that dies is replaced, and its sessions are served again', async () => {
  const { gateway, workers } = await withShards({ shards: { count: 2 } });
  const [first] = await sessionOnEach(gateway);
  const client = await gateway.connect();
  await workers[0]!.terminate();
  const start = performance.now();
  await until(
    REHOMED_MS + SLACK_MS,
    async () => {
      const { error } = await client.reply(client.send('session.get', { session: first }));
      return error === undefined || undefined;
    },
    'the session to be served again',
  );
  expect(performance.now() - start).toBeLessThan(REHOMED_MS + SLACK_MS);
});

it('row 19: one that dies again and again is given up: /ready is 503 and says why', async () => {
  const { gateway, workers } = await withShards({ shards: { count: 1 } });
  for (let deaths = 0; deaths < 6; deaths++) {
    const worker = await until(10_000, async () => workers[deaths], `thread ${deaths}`);
    await until(10_000, async () => (await readiness(gateway)).status === 200 || undefined, 'the shard to be ready');
    await worker.terminate();
  }
  const given = await until(
    10_000,
    async () => {
      const now = await readiness(gateway);
      return now.reason?.includes('failed') ? now : undefined;
    },
    'the shard to be given up',
  );
  expect(given).toMatchObject({ status: 503, reason: 'shard 0 is failed' });
  const client = await gateway.connect();
  expect(await client.refusal('message.send', { text: 'hello' })).toMatchObject({
    code: 'unavailable',
    retryable: true,
  });
}, 60_000);
