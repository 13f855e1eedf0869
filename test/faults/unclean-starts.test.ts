/**
 * Goal: a gateway that crashes again and again comes up without running anything, takes messages all the same, and goes on when
 * it is told to. Method: a process killed three times in the middle of a run, and started again each time.
 */
import { expect, it } from 'vitest';
import { type GatewayProcess, gatewayProcess } from '../support/gateway.ts';
import { askedText, STALLS, scriptedModel } from '../support/model.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';

async function ready(gateway: GatewayProcess) {
  const response = await fetch(`${gateway.httpUrl}/ready`, { headers: { authorization: `Bearer ${gateway.token}` } });
  return { status: response.status, body: await response.json() };
}

it('three unclean starts pause runs: messages are kept and acknowledged, none runs, everything says so; then they go on', async () => {
  const { server, models } = await scriptedModel(STALLS, STALLS, STALLS);
  const home = await tempFolder();
  const config = { models, shards: { count: 2 } };
  const begun = await gatewayProcess({ home, config });
  const sender = await begun.connect();
  const first = await sender.ask('message.send', { text: 'first' });
  await server.request(0);
  await begun.kill();
  for (let crash = 1; crash <= 2; crash++) {
    const gateway = await gatewayProcess({ home, config });
    await server.request(crash); // the message runs again, and would crash it again
    expect((await ready(gateway)).status).toBe(200);
    await gateway.kill();
  }

  const gateway = await gatewayProcess({ home, config });
  const why = 'runs are paused: 3 starts within 300 s followed a crash';
  expect(await ready(gateway)).toEqual({ status: 503, body: { status: 'unavailable', reason: why } });
  const client = await gateway.connect();
  expect(await client.ask('status')).toMatchObject({ trouble: why, runsPaused: true });
  const second = await client.ask('message.send', { text: 'second' });
  const session = (await client.ask('session.create', { user: 'ada' })).session.id;
  const third = await client.ask('message.send', { session, text: 'third' });
  // Control answers, reads are served, what waits can be cancelled.
  const cancelled = await client.ask('message.send', { session, text: 'not at all' });
  const { shards } = await client.ask('status');
  expect(shards.reduce((sum, { queued }) => sum + queued, 0)).toBe(4);
  expect(shards.reduce((sum, { running }) => sum + running, 0)).toBe(0);
  const { entries } = await client.ask('session.history', { session: MAIN });
  expect(entries.map(({ role, message }) => [role, message])).toEqual([
    ['user', first.message],
    ['user', second.message],
  ]);
  expect((await client.ask('message.cancel', { session })).cancelled).toEqual([third.message, cancelled.message]);
  expect(client.events('run.start')).toEqual([]);
  expect(server.requests).toHaveLength(3);

  expect(await client.ask('runs.resume')).toEqual({ resumed: true });
  // Each of the three crashes happened while the first ran: it is taken for their cause.
  expect((await client.runEnd(first.message)).data).toMatchObject({ deadLetter: true, error: { code: 'crash_loop' } });
  expect((await client.runEnd(second.message)).data.status).toBe('ok');
  expect(server.requests.slice(3).map(({ body }) => askedText(body))).toEqual(['second']);
  expect(await ready(gateway)).toMatchObject({ status: 200 });
  expect(await client.ask('status')).toMatchObject({ trouble: null, runsPaused: false });
  expect(await client.ask('runs.resume')).toEqual({ resumed: false });
  const { code, stderr } = await gateway.stop();
  expect([code, stderr]).toEqual([0, expect.stringMatching(/^\{"level":"error".*runs are paused: 3 starts/)]);
  expect((await ready(await gatewayProcess({ home, config }))).status).toBe(200);
}, 40_000);

it('a gateway that is stopped cleanly in between is never paused', async () => {
  const home = await tempFolder();
  for (const end of ['kill', 'stop', 'kill', 'stop', 'kill'] as const) await (await gatewayProcess({ home }))[end]();
  expect((await ready(await gatewayProcess({ home }))).status).toBe(200);
}, 30_000);
