/** Goal: who subscribes hears everything, and who comes back hears exactly what was missed or is told that it can't. */
import { describe, expect, it } from 'vitest';
import { localGateway } from '../support/gateway.ts';
import { STALLS, scriptedModel } from '../support/model.ts';
import { MAIN } from '../support/valid-requests.ts';
import type { WireClient } from '../support/wire-client.ts';

async function say(client: WireClient, text: string): Promise<void> {
  await client.runEnd((await client.ask('message.send', { text })).message);
}

const plain = (client: WireClient) =>
  client.events().map(({ id, type, timestamp, data }) => ({ id, type, timestamp, data }));

describe('subscribers', () => {
  it('of one session all see the same events in the same order', async () => {
    const gateway = await localGateway({ shards: { count: 2 } });
    const [sender, one, two] = [await gateway.connect(), await gateway.connect(), await gateway.connect()];
    for (const client of [one, two]) {
      const reply = await client.ask('subscribe', { session: MAIN });
      expect(reply).toMatchObject({ session: MAIN, epoch: expect.any(String), seq: 0, recovered: true });
      expect(reply.snapshot).toEqual({ state: expect.objectContaining({ id: MAIN }), entry: 0, queued: 0 });
    }
    const { message } = await sender.ask('message.send', { text: 'what is 6*7' });
    await Promise.all([sender, one, two].map((client) => client.runEnd(message)));
    expect(plain(one)).toEqual(plain(sender));
    expect(plain(two)).toEqual(plain(sender));
  });

  it('hear nothing of other sessions', async () => {
    const gateway = await localGateway();
    const [client, other] = [await gateway.connect(), await gateway.connect()];
    const { session } = await other.ask('session.create', { user: 'private' });
    await client.ask('subscribe', { session: MAIN });
    await other.runEnd((await other.ask('message.send', { session: session.id, text: 'secret' })).message);
    await say(client, 'hello');
    expect(new Set(client.events().map(({ data }) => data.session))).toEqual(new Set([MAIN]));
  });

  it('that come back with after and epoch get exactly what they missed, before the reply, and then what follows', async () => {
    const gateway = await localGateway();
    const sender = await gateway.connect();
    await say(sender, 'one');
    await say(sender, 'two');
    const all = plain(sender);
    const { epoch } = all[0]!.data;
    for (const after of [0, 1, Math.floor(all.length / 2), all.length - 1, all.length]) {
      const client = await gateway.connect();
      const id = client.send('subscribe', { session: MAIN, after, epoch });
      const reply = await client.reply(id);
      expect(reply.data).toEqual({ session: MAIN, epoch, seq: all.length, recovered: true });
      expect(plain(client)).toEqual(all.slice(after));
      expect(client.frames.at(-1)?.id).toBe(id);
      await client.close();
    }
    const client = await gateway.connect();
    await client.ask('subscribe', { session: MAIN, after: 3, epoch });
    await say(sender, 'three');
    await client.when(() => (client.events('run.end').length === 3 ? true : undefined));
    expect(plain(client)).toEqual(plain(sender).slice(3));
  });

  it('miss nothing and hear nothing twice when they come back in the middle of runs', async () => {
    const gateway = await localGateway();
    const sender = await gateway.connect();
    const { epoch } = await sender.ask('subscribe', { session: MAIN });
    const texts = Array.from({ length: 10 }, (_, i) => `text ${i}`);
    const acks = Promise.all(texts.map((text) => sender.ask('message.send', { text })));
    const heard: ReturnType<typeof plain> = [];
    const ended = () => heard.filter(({ type }) => type === 'run.end').length;
    while (ended() < texts.length) {
      const client = await gateway.connect();
      const after = heard.length;
      expect(await client.ask('subscribe', { session: MAIN, after, epoch })).toMatchObject({ recovered: true });
      await client.close();
      heard.push(...plain(client));
    }
    await sender.runEnd((await acks).at(-1)!.message);
    expect(heard).toEqual(plain(sender));
  });

  it('that were not there are told what the model has written so far, what waits, and where the transcript stands', async () => {
    const { server, models } = await scriptedModel(STALLS);
    const gateway = await localGateway({ models });
    const sender = await gateway.connect();
    const first = await sender.ask('message.send', { text: 'first' });
    await sender.ask('message.send', { text: 'second' });
    await server.request(0);
    await sender.event('message.delta');
    const { snapshot } = await (await gateway.connect()).ask('subscribe', {
      session: MAIN,
      after: 1,
      epoch: 'another',
    });
    expect(snapshot).toEqual({
      state: expect.objectContaining({ id: MAIN }),
      entry: 2,
      run: { run: expect.any(String), message: first.message, text: 'Once' },
      queued: 1,
    });
  });

  it('are told recovered: false, and get nothing in part, where what they missed is not there any more', async () => {
    const gateway = await localGateway();
    const sender = await gateway.connect();
    await say(sender, 'one');
    const { epoch, seq } = sender.events().at(-1)!.data;
    const client = await gateway.connect();
    const refused = [
      { after: 1, epoch: 'another' },
      { after: 1 },
      { after: seq + 1, epoch },
      { after: Number.MAX_SAFE_INTEGER, epoch },
    ];
    for (const position of refused) {
      const reply = await client.ask('subscribe', { session: MAIN, ...position });
      expect(reply).toMatchObject({ session: MAIN, epoch, seq, recovered: false, snapshot: { entry: 2, queued: 0 } });
    }
    expect(client.events()).toEqual([]);
    // More than is kept.
    for (let i = 0; i < 40; i += 1) await say(sender, `text ${i}`);
    const late = await gateway.connect();
    expect(await late.ask('subscribe', { session: MAIN, after: 1, epoch })).toMatchObject({ recovered: false });
    expect(late.events()).toEqual([]);
  });
});
