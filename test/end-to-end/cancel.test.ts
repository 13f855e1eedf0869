/** Goal: a cancellation stops what it names, at once, and nothing else. Method: a model that stalls when it is told to. */
import { describe, expect, it } from 'vitest';
import { localGateway } from '../support/gateway.ts';
import { askedText, STALLS, scriptedModel } from '../support/model.ts';
import { MAIN } from '../support/valid-requests.ts';

describe('message.cancel', () => {
  it('of a run ends it where it is: the model is let go, the text so far is kept, the session goes on', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const gateway = await localGateway({ models });
    const client = await gateway.connect();
    const { message } = await client.ask('message.send', { text: 'tell me a story' });
    const { run } = (await client.event('message.delta')).data;
    expect(await client.ask('message.cancel', { session: MAIN, run })).toEqual({ session: MAIN, cancelled: [message] });
    const end = await client.runEnd(message);
    expect(end.data).toMatchObject({ run, status: 'cancelled', error: { code: 'cancelled' } });
    await (await server.request(0)).abandoned;
    expect(client.events('message.outbound')).toEqual([]);
    const said = client
      .events('message.delta')
      .map(({ data }) => data.text)
      .join('');
    expect(said).toMatch(/^Once/);
    const { entries } = await client.ask('session.history', { session: MAIN });
    expect(entries.at(-1)).toMatchObject({ role: 'assistant', text: said, status: 'cancelled', message, run });
    const next = await client.ask('message.send', { text: 'go on' });
    expect((await client.runEnd(next.message)).data.status).toBe('ok');
    expect(await client.refusal('message.cancel', { session: MAIN, run })).toMatchObject({
      code: 'not_found',
      param: 'data.run',
    });
  });

  it('of a run leaves the messages behind it waiting: they run next', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const gateway = await localGateway({ models });
    const client = await gateway.connect();
    const first = await client.ask('message.send', { text: 'first' });
    const second = await client.ask('message.send', { text: 'second' });
    const { run } = (await client.event('run.start')).data;
    const { cancelled } = await client.ask('message.cancel', { session: MAIN, run });
    expect(cancelled).toEqual([first.message]);
    expect((await client.runEnd(second.message)).data.status).toBe('ok');
    expect(askedText((await server.request(1)).body)).toContain('second');
  });

  it('of a session ends the run and everything that waits, each with an end of its own, and none is run later', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const gateway = await localGateway({ models });
    const [client, other] = [await gateway.connect(), await gateway.connect()];
    await other.ask('subscribe', { session: MAIN });
    const messages: string[] = [];
    for (const text of ['runs', 'waits 1', 'waits 2'])
      messages.push((await client.ask('message.send', { text })).message);
    await server.request(0);
    // Anybody who is let in may cancel.
    expect(await other.ask('message.cancel', { session: MAIN })).toEqual({ session: MAIN, cancelled: messages });
    for (const message of messages) {
      for (const subscriber of [client, other]) {
        expect((await subscriber.runEnd(message)).data).toMatchObject({ status: 'cancelled' });
      }
    }
    expect(client.events('run.start')).toHaveLength(1);
    const next = await client.ask('message.send', { text: 'next' });
    expect(next.queued).toBe(0);
    await client.runEnd(next.message);
    expect(server.requests).toHaveLength(2);
    const seqs = client.events().map(({ data }) => data.seq);
    expect(seqs).toEqual(seqs.map((_, i) => i + 1));
  });

  it('where nothing runs cancels nothing and says so', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    expect(await client.ask('message.cancel', { session: MAIN })).toEqual({ session: MAIN, cancelled: [] });
  });
});
