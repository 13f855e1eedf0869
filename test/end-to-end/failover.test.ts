/** Goal: clients learn which model answers. Method: the whole gateway, a model server that refuses, offline behind it. */
import { expect, it } from 'vitest';
import { localGateway } from '../support/gateway.ts';
import { scriptedModel } from '../support/model.ts';

it('a model that cannot answer is replaced in the middle of the run, and passed over in the next', async () => {
  const { server, models } = await scriptedModel({ status: 429, retryAfterMs: 61_000, message: 'slow down' });
  const gateway = await localGateway({ models: { ...models, fallbacks: ['offline'] } });
  const client = await gateway.connect();
  const first = await client.ask('message.send', { text: 'hello' });
  expect((await client.runEnd(first.message)).data.status).toBe('ok');
  const second = await client.ask('message.send', { text: 'hello' });
  expect((await client.runEnd(second.message)).data.status).toBe('ok');
  expect(client.events('run.start').map(({ data }) => data.model)).toEqual([models?.default, 'offline']);
  expect(client.events('run.model').map(({ data }) => data)).toMatchObject([
    { model: 'offline', error: { code: 'model_unavailable', message: expect.stringContaining('slow down') } },
  ]);
  expect(server.requests).toHaveLength(1);
});
