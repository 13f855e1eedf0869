/**
 * Goal: what was acknowledged survives the end of the process, whatever ends it, and is answered after the next start.
 * Method: a real process, stopped by SIGTERM or SIGKILL while the model is silent, and another one on the same folder.
 */
import { describe, expect, it } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';
import { askedText, STALLS, scriptedModel } from '../support/model.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import { until } from '../support/wait.ts';
import type { WireClient } from '../support/wire-client.ts';

/** What clients see of a session: itself and its transcript. */
async function view(client: WireClient, session: string) {
  return {
    ...(await client.ask('session.get', { session })),
    ...(await client.ask('session.history', { session })),
  };
}

/** The transcript, once `count` of its entries are answers. */
function answered(client: WireClient, session: string, count: number) {
  return until(
    15_000,
    async () => {
      const { entries } = await client.ask('session.history', { session });
      return entries.filter(({ role }) => role === 'assistant').length >= count ? entries : undefined;
    },
    `${count} answers`,
  );
}

describe('a restart', () => {
  it('shows the same sessions and transcripts, also with another number of shards', async () => {
    const home = await tempFolder();
    const first = await gatewayProcess({ home, config: { shards: { count: 2 } } });
    const client = await first.connect();
    const keys = [MAIN];
    for (const user of ['ada', 'grace', 'नमस्ते']) keys.push((await client.ask('session.create', { user })).session.id);
    for (const session of keys) {
      for (const text of ['hello', 'what is 1+1']) {
        await client.runEnd((await client.ask('message.send', { session, text })).message);
      }
    }
    const before = await Promise.all(keys.map((session) => view(client, session)));
    expect((await first.stop()).code).toBe(0);
    const second = await gatewayProcess({ home, config: { shards: { count: 3 } } });
    expect(second.token).toBe(first.token);
    const again = await second.connect();
    expect(await Promise.all(keys.map((session) => view(again, session)))).toEqual(before);
    const { message } = await again.ask('message.send', { text: 'still there?' });
    expect((await again.runEnd(message)).data.status).toBe('ok');
    const { entries } = await again.ask('session.history', { session: MAIN });
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, i) => i + 1));
  });

  it('begins a new epoch: a client that comes back is told that events may be missing', async () => {
    const home = await tempFolder();
    const first = await gatewayProcess({ home });
    const client = await first.connect();
    await client.runEnd((await client.ask('message.send', { text: 'hello' })).message);
    const { epoch, seq } = client.events().at(-1)!.data;
    await first.kill();
    const again = await (await gatewayProcess({ home })).connect();
    const reply = await again.ask('subscribe', { session: MAIN, after: seq, epoch });
    expect(reply).toMatchObject({ recovered: false, seq: 0 });
    expect(reply.epoch).not.toBe(epoch);
  });
});

describe('kill -9', () => {
  it('after the acknowledgement loses nothing: what ran and what waited is run and answered in order', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const home = await tempFolder();
    const first = await gatewayProcess({ home, config: { models } });
    const client = await first.connect();
    const texts = ['first', 'second', 'third'];
    const acks = [];
    for (const text of texts) acks.push(await client.ask('message.send', { text }));
    await client.event('message.delta');
    const exit = await first.kill();
    expect(exit.signal).toBe('SIGKILL');
    expect(await client.closed).toMatchObject({ code: 1006 });

    const second = await gatewayProcess({ home, config: { models } });
    const entries = await answered(await second.connect(), MAIN, 3);
    expect(entries.map(({ role, message }) => [role, message])).toEqual([
      ...acks.map(({ message }) => ['user', message]),
      ...acks.map(({ message }) => ['assistant', message]),
    ]);
    expect(entries.filter(({ status }) => status !== undefined)).toEqual([]);
    expect(server.requests.map(({ body }) => askedText(body))).toEqual(['first', ...texts]);
  });

  it('leaves a message that was cancelled while it waited cancelled', async () => {
    const { server, models } = await scriptedModel(STALLS, STALLS);
    const home = await tempFolder();
    const first = await gatewayProcess({ home, config: { models } });
    const client = await first.connect();
    await client.ask('message.send', { text: 'first' });
    const waits = await client.ask('message.send', { text: 'second' });
    await client.event('message.delta');
    await client.ask('message.cancel', { session: MAIN });
    await client.runEnd(waits.message);
    const last = await client.ask('message.send', { text: 'third' });
    await server.request(1);
    await first.kill();
    const second = await gatewayProcess({ home, config: { models } });
    const entries = await answered(await second.connect(), MAIN, 3);
    expect(entries.at(-1)).toMatchObject({ role: 'assistant', message: last.message });
    expect(entries.filter(({ status }) => status === 'cancelled')).toHaveLength(2);
    expect(server.requests.map(({ body }) => askedText(body))).toEqual(['first', 'third', 'third']);
  });
});

describe('SIGTERM', () => {
  it('lets a run that ends in time end, tells its subscribers, and then closes their connections', async () => {
    const { server, models } = await scriptedModel({ text: ['one ', 'two ', 'three'], eventDelayMs: 150 });
    const gateway = await gatewayProcess({ config: { models } });
    const client = await gateway.connect();
    const { message } = await client.ask('message.send', { text: 'count' });
    await client.event('message.delta');
    const exit = await gateway.stop();
    expect([exit.code, exit.stderr]).toEqual([0, '']);
    expect((await client.closed).code).toBe(1001);
    expect(client.events('run.end').map(({ data }) => [data.message, data.status])).toEqual([[message, 'ok']]);
    expect(server.requests).toHaveLength(1);
  });

  it('ends the process within 12 seconds though a run does not end, and runs it again after the start', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const home = await tempFolder();
    const first = await gatewayProcess({ home, config: { models } });
    const client = await first.connect();
    const { message } = await client.ask('message.send', { text: 'slow' });
    await client.event('message.delta');
    const exit = await first.stop();
    expect(exit.code).toBe(0);
    expect(exit.tookMs).toBeLessThan(12_000);
    expect((await client.closed).code).toBe(1001);
    expect(client.events('run.end')).toEqual([]);

    const second = await gatewayProcess({ home, config: { models } });
    const entries = await answered(await second.connect(), MAIN, 1);
    expect(entries.map(({ role, status }) => [role, status])).toEqual([
      ['user', undefined],
      ['assistant', undefined],
    ]);
    expect(entries[1]).toMatchObject({ message });
    expect(server.requests).toHaveLength(2);
  }, 40_000);

  it('refuses new messages at once, and what was refused is not there after the next start', async () => {
    const { server, models } = await scriptedModel({ text: ['one ', 'two ', 'three'], eventDelayMs: 200 });
    const home = await tempFolder();
    const first = await gatewayProcess({ home, config: { models } });
    const client = await first.connect();
    await client.ask('message.send', { text: 'count' });
    await server.request(0);
    const stopping = first.stop();
    const refusal = await until(
      5_000,
      async () => {
        const { error } = await client.reply(client.send('message.send', { text: 'too late?', session: MAIN }));
        return error;
      },
      'a refusal',
    );
    expect(refusal).toMatchObject({ code: 'unavailable', retryable: true, retryAfterMs: expect.any(Number) });
    const accepted = client.frames.filter(({ type }) => type === 'ack').length;
    await stopping;
    const second = await gatewayProcess({ home, config: { models } });
    const entries = await answered(await second.connect(), MAIN, accepted);
    expect(entries.filter(({ role }) => role === 'user')).toHaveLength(accepted);
  });
});
