/** Goal: sessions can be listed, changed, begun anew and removed, and what was told of them survives a kill. */
import { describe, expect, it } from 'vitest';
import { Store } from '../../src/storage/store.ts';
import { gatewayProcess, localGateway } from '../support/gateway.ts';
import { STALLS, scriptedModel } from '../support/model.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import { until } from '../support/wait.ts';

/** The texts of a request to the model, without the system prompt. */
function said({ messages }: { messages?: unknown }): unknown[] {
  return (messages as { role: string; content: unknown }[])
    .filter(({ role }) => role !== 'system')
    .map(({ content }) => content);
}

describe('session.list', () => {
  it('pages through the sessions of every shard in the order of their keys, filtered, each once', async () => {
    const gateway = await localGateway({ shards: { count: 2 }, agents: { main: {}, helper: {} } });
    const client = await gateway.connect();
    const keys: string[] = [];
    for (const agent of ['main', 'helper']) {
      for (const type of ['dm', 'group']) {
        for (const user of ['a', 'b', 'c']) {
          keys.push((await client.ask('session.create', { agent, type, channel: 'slack', user })).session.id);
        }
      }
    }
    keys.sort();
    const paged: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await client.ask('session.list', { limit: 5, ...(cursor ? { cursor } : {}) });
      expect(page.sessions.length).toBeLessThanOrEqual(5);
      paged.push(...page.sessions.map(({ id }) => id));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(paged).toEqual(keys);
    const groups = await client.ask('session.list', { agent: 'helper', type: 'group' });
    expect(groups.sessions.map(({ id }) => id)).toEqual(keys.filter((key) => key.startsWith('agent:helper:group:')));
    expect(groups.cursor).toBeUndefined();
    expect(await client.ask('session.list', { channel: 'telegram' })).toEqual({ sessions: [] });
  });
});

describe('session.update', () => {
  it('changes what is named and nothing else, tells subscribers, and survives kill -9', async () => {
    const home = await tempFolder();
    const first = await gatewayProcess({ home });
    const [client, other] = [await first.connect(), await first.connect()];
    await other.ask('subscribe', { session: MAIN });
    const changes = { title: 'Plans', model: 'offline', thinkingLevel: 'high', followUp: 'steer' } as const;
    const { session } = await client.ask('session.update', { session: MAIN, ...changes });
    expect(session).toMatchObject(changes);
    expect((await other.event('session.update')).data).toMatchObject({ session: MAIN, state: session });
    const cleared = await client.ask('session.update', { session: MAIN, title: null, model: null });
    expect(cleared.session).toEqual({ ...session, title: null, model: null });
    await first.kill();
    const again = await (await gatewayProcess({ home })).connect();
    expect(await again.ask('session.get', { session: MAIN })).toEqual(cleared);
  });

  it('refuses a model that cannot be used, a session that is not there, and then changes nothing', async () => {
    const client = await (await localGateway()).connect();
    const refusal = await client.refusal('session.update', { session: MAIN, title: 'T', model: 'nobody/knows' });
    expect(refusal).toMatchObject({ code: 'invalid_request', param: 'data.model' });
    expect((await client.ask('session.get', { session: MAIN })).session.title).toBeNull();
    const gone = await client.refusal('session.update', { session: 'agent:main:dm:api:nobody', title: 'T' });
    expect(gone).toMatchObject({ code: 'not_found', param: 'data.session' });
  });
});

describe('session.reset', () => {
  it('cancels what runs and waits, keeps the transcript, and sends the model nothing of it, also after a restart', async () => {
    const { server, models } = await scriptedModel({ text: ['one'] }, STALLS, { text: ['new'] }, { text: ['newer'] });
    const home = await tempFolder();
    const first = await gatewayProcess({ home, config: { models } });
    const client = await first.connect();
    await client.runEnd((await client.ask('message.send', { text: 'old' })).message);
    const runs = await client.ask('message.send', { text: 'runs' });
    const waits = await client.ask('message.send', { text: 'waits' });
    await server.request(1);
    await client.ask('session.reset', { session: MAIN });
    for (const { message } of [runs, waits]) expect((await client.runEnd(message)).data.status).toBe('cancelled');
    await client.runEnd((await client.ask('message.send', { text: 'fresh' })).message);
    expect(said((await server.request(2)).body)).toEqual(['fresh']);
    const { entries } = await client.ask('session.history', { session: MAIN });
    expect(entries.filter(({ role }) => role !== 'assistant').map(({ role, text }) => [role, text])).toEqual([
      ['user', 'old'],
      ['user', 'runs'],
      ['user', 'waits'],
      ['reset', ''],
      ['user', 'fresh'],
    ]);
    await first.kill();
    const again = await (await gatewayProcess({ home, config: { models } })).connect();
    await again.runEnd((await again.ask('message.send', { text: 'go on' })).message);
    expect(said((await server.request(3)).body)).toEqual(['fresh', 'new', 'go on']);
  });
});

describe('session.delete', () => {
  it('ends what runs, removes the session and all that belongs to it, and tells subscribers', async () => {
    const { models, server } = await scriptedModel(STALLS);
    const gateway = await localGateway({ models });
    const client = await gateway.connect();
    const { id: session } = (await client.ask('session.create', { user: 'ada' })).session;
    const sent = { session, text: 'hello', idempotencyKey: 'k1' };
    const { message } = await client.ask('message.send', sent);
    await server.request(0);
    expect(await client.ask('session.delete', { session })).toEqual({ session });
    expect((await client.runEnd(message)).data.status).toBe('cancelled');
    expect((await client.event('session.update')).data).toMatchObject({ deleted: true, state: { id: session } });
    for (const type of ['session.get', 'session.history', 'session.delete', 'subscribe']) {
      expect([type, (await client.refusal(type, { session })).code]).toEqual([type, 'not_found']);
    }
    expect(await client.refusal('message.send', sent)).toMatchObject({ code: 'not_found' });
    await client.ask('session.create', { user: 'ada' });
    expect((await client.ask('session.history', { session })).entries).toEqual([]);
    expect((await client.ask('message.send', sent)).duplicate).toBeUndefined();
    expect(await client.refusal('session.delete', { session: MAIN })).toMatchObject({ code: 'invalid_request' });
  });

  it('that was cut short by the end of the process goes on after the next start', async () => {
    const home = await tempFolder();
    const first = await gatewayProcess({ home });
    const client = await first.connect();
    const { id: session } = (await client.ask('session.create', { user: 'ada' })).session;
    await client.runEnd((await client.ask('message.send', { session, text: 'hello' })).message);
    await first.stop();
    const store = new Store(home);
    await store.journal.commit((batch) => {
      batch.put(store.deletions, session, true);
      batch.remove(store.sessions, session);
    });
    await store.close();
    const again = await (await gatewayProcess({ home })).connect();
    await again.ask('session.create', { user: 'ada' });
    expect((await again.ask('session.history', { session })).entries).toEqual([]);
  });
});

describe('sessions.activeMax', () => {
  it('bounds the sessions in memory: idle ones make room, and only where all are at work is another refused', async () => {
    const { models, server } = await scriptedModel();
    const gateway = await localGateway({ models, shards: { count: 1 }, sessions: { activeMax: 2 } });
    const client = await gateway.connect();
    const keys: string[] = [];
    for (const user of ['a', 'b', 'c', 'd']) {
      const { id: session } = (await client.ask('session.create', { user })).session;
      keys.push(session);
      await client.runEnd((await client.ask('message.send', { session, text: 'hello' })).message);
    }
    expect((await client.ask('status')).shards[0]?.sessions).toBe(2);
    server.script(STALLS, STALLS);
    for (const session of keys.slice(0, 2)) await client.ask('message.send', { session, text: 'long' });
    await server.request(5);
    const refusal = await client.refusal('message.send', { session: keys[2], text: 'now?' });
    expect(refusal).toMatchObject({ code: 'busy', retryable: true, retryAfterMs: expect.any(Number) });
    expect((await client.ask('session.history', { session: keys[2] })).entries).toHaveLength(2);
    await client.ask('message.cancel', { session: keys[0] });
    const sent = await until(
      5_000,
      async () => (await client.reply(client.send('message.send', { session: keys[2], text: 'now?' }))).data,
      'room',
    );
    expect((await client.runEnd(sent.message as string)).data.status).toBe('ok');
    await client.ask('message.cancel', { session: keys[1] });
  });
});

describe('sessions.cleanUp', () => {
  it('deletes sessions of the types named when nobody has used them for long, and no other', async () => {
    const { models, server } = await scriptedModel({ text: ['a'] }, { text: ['b'] }, { text: ['c'] }, STALLS);
    const cleanUp = { action: 'delete' as const, afterMs: 500, types: ['dm' as const] };
    const client = await (await localGateway({ models, shards: { count: 2 }, sessions: { cleanUp } })).connect();
    const created = async (type: 'dm' | 'group', user: string) =>
      (await client.ask('session.create', { type, user })).session.id;
    const [group, idle] = [await created('group', 'team'), await created('dm', 'idle')];
    for (const session of [MAIN, group, idle]) {
      await client.runEnd((await client.ask('message.send', { session, text: 'hello' })).message);
    }
    const works = await created('dm', 'works');
    await client.ask('message.send', { session: works, text: 'long' });
    await server.request(3);
    const gone = await client.event('session.update', ({ data }) => data.session === idle);
    expect(gone.data.deleted).toBe(true);
    // A second round has come by when a session that came later is gone.
    const later = await created('dm', 'later');
    await client.ask('subscribe', { session: later });
    await client.event('session.update', ({ data }) => data.session === later);
    const left = await client.ask('session.list');
    expect(left.sessions.map(({ id }) => id).sort()).toEqual([works, group, MAIN].sort());
    await client.ask('message.cancel', { session: works });
  });
});
