/**
 * Row 32: the machine's clock jumps. Bar: sockets stay, no shard is taken for stuck, every message is answered, keys stay in
 * force, nothing is cleaned up that was not idle, and nothing waits for the clock to come back. Method: a real process whose
 * clock is set by hours and days, forwards and back, while it runs (libfaketime).
 */
import { expect, it } from 'vitest';
import { fakeClock } from '../support/fake-clock.ts';
import { gatewayProcess } from '../support/gateway.ts';
import { STALLS, scriptedModel } from '../support/model.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import { until } from '../support/wait.ts';

const HOUR_S = 3_600;
const DAY_S = 24 * HOUR_S;
/** What the clock is off by, one after the other. */
const SHORT_S = [3 * DAY_S, -3 * DAY_S, 5 * HOUR_S];
const LONG_S = [...SHORT_S, -5 * HOUR_S, 0, 400 * DAY_S, -400 * DAY_S, 1, -1, 0];
const JUMPS_S = process.env.FAULTS === 'long' ? [...LONG_S, ...LONG_S, ...LONG_S] : SHORT_S;
const IDLE_MS = 2_000;

it(
  'row 32: a gateway whose clock is set by hours and days goes on as if nothing had happened',
  async (context) => {
    const clock = await fakeClock();
    if (clock === undefined) return context.skip('the Debian package faketime is missing');
    const { env } = clock;
    const { server, models } = await scriptedModel(...JUMPS_S.flatMap(() => [STALLS, { text: ['Both.'] }]));
    const config = {
      models,
      gateway: { limits: { idleSeconds: 8 } },
      sessions: {
        followUp: 'collect' as const,
        debounceMs: 300,
        cleanUp: { action: 'delete' as const, afterMs: IDLE_MS },
      },
      recovery: { uncleanStartsMax: 0 },
    };
    const home = await tempFolder();
    const gateway = await gatewayProcess({ home, config, env });
    const [client, quiet] = [await gateway.connect(), await gateway.connect()];
    const key = { text: '/status', idempotencyKey: 'key' };
    const { message: first } = await client.ask('message.send', key);

    for (const [round, seconds] of JUMPS_S.entries()) {
      // A run goes on, others wait to be collected, and a session is idle when the clock is set.
      const runs = await client.ask('message.send', { text: `runs ${round}` });
      await server.request(2 * round);
      const waits = await client.ask('message.send', { text: `waits ${round}` });
      const createdAt = performance.now();
      const { session } = await client.ask('session.create', { user: `u${round}` });
      clock.set(seconds);
      const { timestamp } = await client.reply(client.send('status'));
      expect(Math.abs(timestamp - Date.now() - seconds * 1_000)).toBeLessThan(60_000); // it really is set

      const { run } = client.events('run.start').find(({ data }) => data.message === runs.message)!.data;
      await client.ask('message.cancel', { session: MAIN, run });
      const more = await client.ask('message.send', { text: `more ${round}` });
      for (const { message } of [waits, more]) expect((await client.runEnd(message)).data.status).toBe('ok');
      expect(server.requests).toHaveLength(2 * round + 2); // they were collected
      expect(await client.ask('message.send', key)).toMatchObject({ message: first, duplicate: true });

      const find = async () => {
        const { error } = await client.reply(client.send('session.get', { session: session.id }));
        return error?.code === 'not_found' || undefined;
      };
      await until(10 * IDLE_MS, find, 'the idle session to be cleaned up');
      expect(performance.now() - createdAt).toBeGreaterThan(IDLE_MS);
    }
    const { shards } = await quiet.ask('status'); // it has been silent for longer than idleSeconds
    expect(shards.map(({ restarts }) => restarts)).toEqual(shards.map(() => 0));
    expect((await gateway.stop()).code).toBe(0);
  },
  40_000 + 15_000 * JUMPS_S.length,
);
