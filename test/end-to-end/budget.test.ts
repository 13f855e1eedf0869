/** Goal: a model is never asked past a budget. Method: the whole gateway on two shards, a model server that counts. */
import { expect, it } from 'vitest';
import { gatewayProcess, localGateway } from '../support/gateway.ts';
import { scriptedModel } from '../support/model.ts';
import { tempFolder } from '../support/temp-folder.ts';
import type { WireClient } from '../support/wire-client.ts';

/** What one request to the model server counts: 11 tokens in, 7 out. */
const TOKENS = 18;

async function runIn(client: WireClient, session: string) {
  const { message } = await client.ask('message.send', { session, text: 'hello' });
  return (await client.runEnd(message)).data;
}

it('by no session on no shard, however many run at the same time, nor after the gateway was killed', async () => {
  const { server, models } = await scriptedModel();
  const home = await tempFolder();
  const config = { models, shards: { count: 2 }, budgets: { perDay: { tokens: 10 * TOKENS } } };
  const gateway = await gatewayProcess({ home, config });
  const client = await gateway.connect();
  const sessions = await Promise.all(
    Array.from({ length: 40 }, async () => (await client.ask('session.create', {})).session.id),
  );
  const ends = await Promise.all(sessions.map((session) => runIn(client, session)));
  expect(ends.filter(({ status }) => status === 'ok')).toHaveLength(10);
  const failed = ends.filter(({ status }) => status === 'failed');
  expect(new Set(failed.map(({ error }) => error?.code))).toEqual(new Set(['budget_exceeded']));
  expect(failed[0]?.error).toMatchObject({ retryable: false, retryAfterMs: expect.any(Number) });
  expect(server.requests).toHaveLength(10);

  await gateway.kill();
  const again = await (await gatewayProcess({ home, config })).connect();
  expect((await runIn(again, sessions[0]!)).error?.code).toBe('budget_exceeded');
  expect(server.requests).toHaveLength(10);
});

it('of one sender by any of their sessions, while others go on', async () => {
  const { server, models } = await scriptedModel();
  const gateway = await localGateway({
    models,
    shards: { count: 2 },
    agents: { main: {}, second: {}, third: {} },
    budgets: { perSenderPerDay: { runs: 2 } },
  });
  const client = await gateway.connect();
  const open = async (user: string, agent: string) =>
    (await client.ask('session.create', { user, agent })).session.id as string;
  const ofAlice = await Promise.all(['main', 'second', 'third'].map((agent) => open('alice', agent)));
  const ends = await Promise.all(ofAlice.map((session) => runIn(client, session)));
  expect(ends.map(({ status }) => status).sort()).toEqual(['failed', 'ok', 'ok']);
  expect((await runIn(client, await open('bob', 'main'))).status).toBe('ok');
  expect(server.requests).toHaveLength(3);
});

it('in money that cannot be kept, for want of a price, keeps the gateway from starting', async () => {
  const { models } = await scriptedModel();
  const start = localGateway({ models, budgets: { perDay: { cost: 1 } } });
  await expect(start).rejects.toThrow(`models.prices has none for ${models?.default}`);
});

it('and a run says what it cost, and the session what all have cost, where the price is known', async () => {
  const { models } = await scriptedModel({ toolCalls: [{ name: 'time_now' }] }, { text: ['Noon.'] });
  const prices = { [models?.default as string]: { input: 3, output: 15 } };
  const gateway = await localGateway({ models: { ...models, prices } });
  const client = await gateway.connect();
  const { session } = await client.ask('session.create', {});
  const cost = 11 * 3 + 7 * 15;
  expect((await runIn(client, session.id)).usage).toEqual({ inputTokens: 22, outputTokens: 14, cost: 2 * cost });
  await runIn(client, session.id);
  expect((await client.ask('session.get', { session: session.id })).session.costUsed).toBe(3 * cost);
});
