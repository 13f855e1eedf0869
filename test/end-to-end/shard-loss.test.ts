/**
 * Goal: a worker thread that dies takes nothing along but the answers it still owed. Method: the gateway in this process,
 * and Node's own `worker` event, through which the test gets hold of its threads.
 */
import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { type ConfigInput, localGateway } from '../support/gateway.ts';
import { askedText, STALLS, scriptedModel } from '../support/model.ts';
import { MAIN } from '../support/valid-requests.ts';
import { until } from '../support/wait.ts';

/** A gateway and its shards. (The compute pool has no thread before its first task.) */
async function gatewayWithShards(config: ConfigInput) {
  const workers: Worker[] = [];
  const listener = (worker: Worker) => void workers.push(worker);
  process.on('worker', listener);
  try {
    return { gateway: await localGateway(config), workers };
  } finally {
    process.off('worker', listener);
  }
}

describe('a shard that dies', () => {
  it('is replaced: what it had accepted is run and answered, in order, and connections stay', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const { gateway, workers } = await gatewayWithShards({ models, shards: { count: 1 } });
    expect(workers).toHaveLength(1);
    const client = await gateway.connect();
    const acks = [];
    for (const text of ['first', 'second']) acks.push(await client.ask('message.send', { text }));
    await client.event('message.delta');
    await workers[0]!.terminate();

    for (const { message } of acks) expect((await client.runEnd(message)).data.status).toBe('ok');
    expect(server.requests.map(({ body }) => askedText(body))).toEqual(['first', 'first', 'second']);
    const status = await client.ask('status');
    expect(status.shards).toMatchObject([{ state: 'ready', restarts: 1 }]);
    const { entries } = await client.ask('session.history', { session: MAIN });
    expect(entries.map(({ role }) => role)).toEqual(['user', 'user', 'assistant', 'assistant']);
    // The run that was cut short has no end; its message has another run, in another epoch.
    const starts = client.events('run.start').map(({ data }) => data);
    expect(starts.map(({ message }) => message)).toEqual([acks[0]!.message, acks[0]!.message, acks[1]!.message]);
    expect(starts[0]?.epoch).not.toBe(starts[1]?.epoch);
  });

  it('answers what it was asked with unavailable, and meanwhile /ready is 503; other shards notice nothing', async () => {
    const { gateway, workers } = await gatewayWithShards({ shards: { count: 2 } });
    const client = await gateway.connect();
    const made = await Promise.all(
      Array.from({ length: 12 }, (_, i) => client.ask('session.create', { user: `u${i}` })),
    );
    const keys = made.map(({ session }) => session.id);
    await workers[0]!.terminate();
    const asked = await Promise.all(keys.map((session) => client.reply(client.send('session.get', { session }))));
    const [refused, answered] = [asked.filter(({ error }) => error), asked.filter(({ error }) => !error)];
    expect(refused.length).toBeGreaterThan(0);
    expect(answered.length).toBeGreaterThan(0);
    for (const { error } of refused) {
      expect(error).toMatchObject({ code: 'unavailable', retryable: true, retryAfterMs: expect.any(Number) });
    }
    const response = await fetch(`${gateway.httpUrl}/ready`, {
      headers: { authorization: `Bearer ${gateway.token}` },
    });
    expect([response.status, await response.json()]).toEqual([
      503,
      { status: 'unavailable', reason: expect.stringContaining('shard 0') },
    ]);
    const ready = async () =>
      (
        await fetch(`${gateway.httpUrl}/ready`, {
          headers: { authorization: `Bearer ${gateway.token}` },
        })
      ).ok
        ? true
        : undefined;
    await until(5_000, ready, 'the shard to be replaced');
    for (const session of keys) expect((await client.ask('session.get', { session })).session.id).toBe(session);
  });
});
