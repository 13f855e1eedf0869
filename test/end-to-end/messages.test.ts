/** Goal: a message goes all the way and its answer comes back as the protocol says. Method: the whole gateway, raw frames. */
import { describe, expect, it } from 'vitest';
import { localGateway } from '../support/gateway.ts';
import { askedText, STALLS, scriptedModel } from '../support/model.ts';
import { MAIN } from '../support/valid-requests.ts';

describe('a message', () => {
  it('is acknowledged before its events, which have no gap in seq, and whose deltas make up the answer', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    const { session } = await client.ask('session.create', { user: 'ada' });
    const id = client.send('message.send', { session: session.id, text: 'Hello, who are you?' });
    const { data: ack, type } = await client.reply(id);
    expect([type, ack]).toEqual(['ack', { session: session.id, message: expect.any(String), queued: 0 }]);
    const message = ack?.message as string;
    const end = await client.runEnd(message);

    const events = client.events();
    expect(client.frames.findIndex((frame) => frame.id === id)).toBeLessThan(client.frames.indexOf(events[0]!));
    expect(events.map(({ data }) => data.seq)).toEqual(events.map((_, i) => i + 1));
    expect(new Set(events.map(({ data }) => `${data.session} ${data.epoch}`)).size).toBe(1);
    for (const event of events) expect(event.id).toBe(`${event.data.epoch}-${event.data.seq}`);
    const types = events.map(({ type }) => type);
    const deltas = client.events('message.delta');
    expect(deltas.length).toBeGreaterThan(1);
    expect(types).toEqual([
      'message.inbound',
      'run.start',
      ...deltas.map(() => 'message.delta'),
      'message.outbound',
      'run.end',
    ]);
    const [outbound] = client.events('message.outbound');
    expect(outbound?.data.text).toBe(deltas.map(({ data }) => data.text).join(''));
    expect(client.events('message.inbound')[0]?.data).toMatchObject({ message, text: 'Hello, who are you?' });
    const { run } = end.data;
    for (const event of events.slice(1)) expect(event.data.run).toBe(run);
    expect(end.data).toMatchObject({ message, status: 'ok', usage: { estimated: true } });
    expect(end.data.usage.inputTokens).toBeGreaterThan(0);
    expect(end.data.usage.outputTokens).toBeGreaterThan(0);

    const { entries } = await client.ask('session.history', { session: session.id });
    expect(entries).toEqual([
      { seq: 1, role: 'user', text: 'Hello, who are you?', timestamp: expect.any(Number), message },
      { seq: 2, role: 'assistant', text: outbound?.data.text, timestamp: expect.any(Number), message, run },
    ]);
    const after = await client.ask('session.get', { session: session.id });
    expect(after.session.tokensUsed).toBe(end.data.usage.inputTokens + end.data.usage.outputTokens);
  });

  it('without a session goes to the main session of the main agent', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    expect(await client.ask('message.send', { text: 'hi' })).toMatchObject({ session: MAIN });
  });

  it('that needs a tool shows the call and its result before the answer', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    const { message } = await client.ask('message.send', { text: 'what is 2+3*4' });
    const { run } = (await client.runEnd(message)).data;
    const types = client.events().map(({ type }) => type);
    expect(types.filter((type, i) => type !== types[i - 1])).toEqual([
      'message.inbound',
      'run.start',
      'tool.start',
      'tool.end',
      'message.delta',
      'message.outbound',
      'run.end',
    ]);
    const [start, end] = [client.events('tool.start')[0]?.data, client.events('tool.end')[0]?.data];
    expect(start).toMatchObject({ run, name: 'calc', input: { expression: '2+3*4' }, call: expect.any(String) });
    expect(end).toMatchObject({ run, name: 'calc', call: start?.call, output: '14', failed: false });
    expect(client.events('message.outbound')[0]?.data.text).toContain('14');
    const { entries } = await client.ask('session.history', { session: MAIN });
    expect(entries.map(({ role, text }) => [role, text])).toEqual([
      ['user', 'what is 2+3*4'],
      ['assistant', ''],
      ['tool', '14'],
      ['assistant', '2+3*4 = 14'],
    ]);
    expect(entries[1]?.toolCalls).toEqual([{ id: start?.call, name: 'calc', input: { expression: '2+3*4' } }]);
    expect(entries[2]?.toolCall).toEqual({ id: start?.call, name: 'calc' });
  });

  it('waits for those before it in its session: runs keep the order and never overlap', async () => {
    const gateway = await localGateway({ shards: { count: 2 } });
    const clients = await Promise.all([gateway.connect(), gateway.connect(), gateway.connect()]);
    const [watcher] = clients;
    await watcher!.ask('subscribe', { session: MAIN });
    const texts = Array.from({ length: 20 }, (_, i) => `message ${i}`);
    const acks = await Promise.all(
      clients.flatMap((client, c) => texts.map((text) => client.ask('message.send', { text: `${c} ${text}` }))),
    );
    for (const { message } of acks) await watcher!.runEnd(message);
    const inbound = watcher!.events('message.inbound').map(({ data }) => data);
    const boundaries = watcher!.events().filter(({ type }) => type === 'run.start' || type === 'run.end');
    expect(boundaries.map(({ type, data }) => [type, data.message])).toEqual(
      inbound.flatMap(({ message }) => [
        ['run.start', message],
        ['run.end', message],
      ]),
    );
    for (const c of clients.keys()) {
      const own = inbound.map(({ text }) => text).filter((text) => text.startsWith(`${c} `));
      expect(own).toEqual(texts.map((text) => `${c} ${text}`));
    }
    expect(Math.max(...acks.map(({ queued }) => queued))).toBeGreaterThan(0);
  });

  it('to another session does not wait for a model that is slow in this one', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const gateway = await localGateway({ models, shards: { count: 1 } });
    const client = await gateway.connect();
    const slow = await client.ask('message.send', { text: 'slow' });
    await server.request(0);
    const { session } = await client.ask('session.create', { user: 'other' });
    const quick = await client.ask('message.send', { session: session.id, text: 'quick' });
    expect((await client.runEnd(quick.message)).data.status).toBe('ok');
    expect(client.events('run.end').some(({ data }) => data.message === slow.message)).toBe(false);
    await client.ask('message.cancel', { session: MAIN }); // else the gateway would wait for it before it stops
  });

  it('is refused with busy when the mailbox is full; nothing of it is kept, and it is taken when there is room', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const gateway = await localGateway({ models, sessions: { mailboxMax: 2 } });
    const client = await gateway.connect();
    await client.ask('message.send', { text: 'runs' });
    await server.request(0);
    expect(await client.ask('message.send', { text: 'waits 1' })).toMatchObject({ queued: 1 });
    expect(await client.ask('message.send', { text: 'waits 2' })).toMatchObject({ queued: 2 });
    const before = client.events().length;
    const refused = await client.refusal('message.send', { text: 'too many', idempotencyKey: 'k' });
    expect(refused).toMatchObject({ code: 'busy', retryable: true, retryAfterMs: expect.any(Number) });
    const { entries } = await client.ask('session.history', { session: MAIN });
    expect(entries.map(({ text }) => text)).toEqual(['runs', 'waits 1', 'waits 2']);
    expect(client.events()).toHaveLength(before);
    await client.ask('message.cancel', { session: MAIN });
    const again = await client.ask('message.send', { text: 'room now', idempotencyKey: 'k' });
    expect((await client.runEnd(again.message)).data.status).toBe('ok');
    expect(server.requests.map(({ body }) => askedText(body))).toHaveLength(2);
  });

  it('whose run fails ends with the error, no answer, and a transcript that says so', async () => {
    const { models } = await scriptedModel({ status: 401, message: 'no such key' });
    const gateway = await localGateway({ models });
    const client = await gateway.connect();
    const { message } = await client.ask('message.send', { text: 'hello' });
    const end = await client.runEnd(message);
    expect(end.data).toMatchObject({ status: 'failed', error: { code: 'model_rejected', retryable: false } });
    expect(client.events('message.outbound')).toEqual([]);
    const { entries } = await client.ask('session.history', { session: MAIN });
    expect(entries[1]).toMatchObject({ role: 'assistant', status: 'failed', message, run: end.data.run });
    const next = await client.ask('message.send', { text: 'hello again' });
    expect((await client.runEnd(next.message)).data.status).toBe('ok');
  });
});
