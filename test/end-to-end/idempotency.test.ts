/** Goal: one idempotency key is one turn, however often and however closely it is sent, and whatever happens in between. */
import { describe, expect, it } from 'vitest';
import { gatewayProcess, localGateway } from '../support/gateway.ts';
import { STALLS, scriptedModel } from '../support/model.ts';
import { openRaw } from '../support/raw-socket.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import type { WireClient } from '../support/wire-client.ts';

async function userTexts(client: WireClient, session = MAIN): Promise<string[]> {
  const { entries } = await client.ask('session.history', { session });
  return entries.filter(({ role }) => role === 'user').map(({ text }) => text);
}

describe('an idempotency key', () => {
  it('makes of a second request the first one: the same message, one turn, the first text', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    const first = await client.ask('message.send', { text: 'once', idempotencyKey: 'k1' });
    expect(first.duplicate).toBeUndefined();
    const { run } = (await client.runEnd(first.message)).data;
    const { text } = client.events('message.outbound')[0]!.data;
    const outcome = { run, status: 'ok', text };
    const other = await gateway.connect();
    for (const sender of [client, other]) {
      const again = await sender.ask('message.send', { text: 'twice?', idempotencyKey: 'k1' });
      expect(again).toEqual({ session: MAIN, message: first.message, queued: 0, duplicate: true, outcome });
    }
    expect(await userTexts(client)).toEqual(['once']);
    expect(client.events('run.start')).toHaveLength(1);
    // The second sender is subscribed all the same: it hears how it goes on.
    const next = await client.ask('message.send', { text: 'next', idempotencyKey: 'k2' });
    await other.runEnd(next.message);
  });

  it('holds within its session: in another one it is another', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    const { session } = await client.ask('session.create', { user: 'other' });
    const first = await client.ask('message.send', { text: 'a', idempotencyKey: 'k' });
    const second = await client.ask('message.send', { session: session.id, text: 'b', idempotencyKey: 'k' });
    expect(second.duplicate).toBeUndefined();
    expect(second.message).not.toBe(first.message);
  });

  it('gets its first answer also while the mailbox is full', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const gateway = await localGateway({ models, sessions: { mailboxMax: 1 } });
    const client = await gateway.connect();
    const first = await client.ask('message.send', { text: 'running', idempotencyKey: 'k' });
    await server.request(0);
    await client.ask('message.send', { text: 'waiting' });
    expect(await client.refusal('message.send', { text: 'too many' })).toMatchObject({ code: 'busy' });
    const again = await client.ask('message.send', { text: 'running', idempotencyKey: 'k' });
    expect(again).toMatchObject({ message: first.message, duplicate: true });
    await client.ask('message.cancel', { session: MAIN }); // else the gateway would wait for it before it stops
  });

  it('sent five times in one write makes one turn, and every reply names it', async () => {
    const gateway = await localGateway();
    const raw = await openRaw(gateway.url, gateway.token);
    const ids = ['a', 'b', 'c', 'd', 'e'];
    raw.write(ids.map((id) => ({ id, type: 'message.send', data: { text: 'once', idempotencyKey: 'k' } })));
    const acks = () => raw.frames.filter(({ type }) => type === 'ack');
    await raw.when(() => acks().length === ids.length);
    const data = acks().map((ack) => ack.data as { message: string; duplicate?: true });
    expect(new Set(data.map(({ message }) => message)).size).toBe(1);
    expect(data.filter(({ duplicate }) => duplicate)).toHaveLength(ids.length - 1);
    expect(await userTexts(await gateway.connect())).toEqual(['once']);
  });

  it('is remembered across a restart of the gateway, however it ended', async () => {
    const home = await tempFolder();
    const send = { text: 'once', idempotencyKey: 'k' };
    const first = await gatewayProcess({ home });
    const { message } = await (await first.connect()).ask('message.send', send);
    await first.kill();
    const second = await gatewayProcess({ home });
    const client = await second.connect();
    expect(await client.ask('message.send', send)).toMatchObject({ message, duplicate: true });
    await second.stop();
    const third = await gatewayProcess({ home });
    const last = await third.connect();
    expect(await last.ask('message.send', send)).toMatchObject({ message, duplicate: true });
    expect(await userTexts(last)).toEqual(['once']);
  });
});
