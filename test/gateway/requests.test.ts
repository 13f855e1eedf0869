/** Goal: each request does what docs/protocol.md says of it, in msgpack and in JSON, and the HTTP routes too. */
import { describe, expect, it } from 'vitest';
import { localGateway } from '../support/gateway.ts';
import { MAIN } from '../support/valid-requests.ts';

describe('session.create', () => {
  it('makes a session once; the same names lead to the same session, and fields are not changed', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    const names = { agent: 'main', type: 'group', channel: 'slack', user: 'C 42/ü' } as const;
    const first = await client.ask('session.create', { ...names, model: 'offline', thinkingLevel: 'high' });
    expect(first).toEqual({
      created: true,
      session: {
        id: 'agent:main:group:slack:C%2042%2F%C3%BC',
        ...names,
        model: 'offline',
        thinkingLevel: 'high',
        title: null,
        followUp: null,
        tokensUsed: 0,
        costUsed: 0,
        createdAt: expect.any(Number),
        lastActive: expect.any(Number),
      },
    });
    const again = await client.ask('session.create', { ...names, thinkingLevel: 'low' });
    expect(again).toEqual({ created: false, session: first.session });
    expect(await client.ask('session.get', { session: first.session.id })).toEqual({ session: first.session });
  });

  it('takes agent main, type dm, channel api and a user of its own where nothing is said', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    const made = await Promise.all([client.ask('session.create'), client.ask('session.create')]);
    const [one, two] = made.map(({ session }) => session);
    expect(one).toMatchObject({ agent: 'main', type: 'dm', channel: 'api', model: null, thinkingLevel: 'off' });
    expect(one?.id).toBe(`agent:main:dm:api:${one?.user}`);
    expect(one?.id).not.toBe(two?.id);
  });

  it('goes to the agent that the bindings name where it names none', async () => {
    const gateway = await localGateway({
      agents: { main: {}, sales: {}, asha: {} },
      bindings: [
        { match: { channel: 'slack' }, agent: 'sales' },
        { match: { channel: 'slack', peer: 'C42' }, agent: 'asha' },
      ],
    });
    const client = await gateway.connect();
    const agentOf = async (data: object) => (await client.ask('session.create', data)).session.agent;
    expect(await agentOf({ channel: 'slack', user: 'C42' })).toBe('asha');
    expect(await agentOf({ channel: 'slack', user: 'C43' })).toBe('sales');
    expect(await agentOf({ channel: 'slack', user: 'C42', agent: 'main' })).toBe('main');
    expect(await agentOf({ user: 'C42' })).toBe('main');
    expect(await agentOf({ type: 'main', channel: 'slack' })).toBe('main');
  });

  it('of type main is the one session that is always there', async () => {
    const gateway = await localGateway({ agents: { main: {}, helper: {} } });
    const client = await gateway.connect();
    expect((await client.ask('session.get', { session: MAIN })).session).toMatchObject({
      channel: 'api',
      user: 'owner',
    });
    const { session } = await client.ask('session.create', { type: 'main', agent: 'helper', channel: 'x', user: 'y' });
    expect(session).toMatchObject({ id: 'agent:helper:main', channel: 'api', user: 'owner' });
  });
});

describe('session.history', () => {
  it('pages backwards from the newest entry, and more says whether there is an earlier one', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    for (const text of ['one', 'two', 'three']) {
      await client.runEnd((await client.ask('message.send', { text })).message);
    }
    const whole = await client.ask('session.history', { session: MAIN });
    expect(whole).toMatchObject({ session: MAIN, more: false });
    expect(whole.entries.map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
      'user',
      'assistant',
    ]);
    const last = await client.ask('session.history', { session: MAIN, limit: 2 });
    expect(last).toEqual({ session: MAIN, cursor: 5, entries: whole.entries.slice(4), more: true });
    const before = last.entries[0]?.seq;
    const first = await client.ask('session.history', { session: MAIN, limit: 4, before });
    expect(first).toEqual({ session: MAIN, entries: whole.entries.slice(0, 4), more: false });
    expect(await client.ask('session.history', { session: MAIN, before: 1 })).toMatchObject({
      entries: [],
      more: false,
    });
  });
});

describe('status', () => {
  it('counts connections and shows every shard', async () => {
    const gateway = await localGateway({ shards: { count: 2 } });
    const client = await gateway.connect();
    await gateway.connect();
    const status = await client.ask('status');
    expect(status).toMatchObject({
      trouble: null,
      runsPaused: false,
      connections: 2,
      model: 'offline',
      version: expect.any(String),
    });
    const counts = { sessions: 0, running: 0, queued: 0, deadLetters: 0, damaged: 0, restarts: 0 };
    const shard = { state: 'ready', ...counts, loopLagMs: { p99: expect.any(Number), max: expect.any(Number) } };
    expect(status.shards).toEqual([0, 1].map((index) => ({ index, ...shard })));
  });
});

describe('unsubscribe', () => {
  it('ends the events of a session for this connection only', async () => {
    const gateway = await localGateway();
    const [leaving, staying] = [await gateway.connect(), await gateway.connect()];
    for (const client of [leaving, staying]) await client.ask('subscribe', { session: MAIN });
    await leaving.ask('unsubscribe', { session: MAIN });
    const sender = await gateway.connect();
    const { message } = await sender.ask('message.send', { text: 'hello' });
    await staying.runEnd(message);
    await leaving.ask('ping');
    expect(leaving.events()).toEqual([]);
  });
});

describe('JSON mode', () => {
  it('answers text frames with text frames of the same shape as msgpack, events included', async () => {
    const gateway = await localGateway();
    const [binary, json] = [await gateway.connect(), await gateway.connect({ json: true })];
    await binary.ask('subscribe', { session: MAIN });
    const { message } = await json.ask('message.send', { text: 'नमस्ते 😀 "quoted"\n' });
    await Promise.all([binary.runEnd(message), json.runEnd(message)]);
    expect(json.frames.every((frame) => frame.json)).toBe(true);
    expect(binary.frames.some((frame) => frame.json)).toBe(false);
    const plain = ({ json: _, ...frame }: (typeof json.frames)[number]) => frame;
    expect(json.events().map(plain)).toEqual(binary.events().map(plain));
    const page = { session: MAIN };
    expect(await json.ask('session.history', page)).toEqual(await binary.ask('session.history', page));
    expect(await json.ask('session.get', page)).toEqual(await binary.ask('session.get', page));
    expect(await json.refusal('session.get', { session: 'x' })).toEqual(
      await binary.refusal('session.get', { session: 'x' }),
    );
  });

  it('follows the last frame of the client', async () => {
    const gateway = await localGateway();
    const client = await gateway.connect();
    client.raw('{"id":"text","type":"ping"}');
    expect((await client.reply('text')).json).toBe(true);
    expect((await client.reply(client.send('ping'))).json).toBe(false);
  });
});

describe('HTTP', () => {
  it('has /health, /ready and /status, takes no body, and a 404 says what there is', async () => {
    const { httpUrl, token } = await localGateway();
    const get = async (path: string, init?: RequestInit) => {
      const response = await fetch(`${httpUrl}${path}`, init);
      return [response.status, response.headers.get('content-type'), await response.json()];
    };
    expect(await get('/health')).toEqual([200, 'application/json', { status: 'ok' }]);
    expect(await get('/ready')).toEqual([200, 'application/json', { status: 'ready' }]);
    const headers = { authorization: `Bearer ${token}` };
    const paths = ['/health', '/ready', '/status', '/ws'];
    const missing = [404, 'application/json', { status: 'not found', try: paths }];
    for (const path of ['/', '/healthy', '/ws', '/../etc/passwd', '/%00', '/constructor']) {
      expect(await get(path, { headers })).toEqual(missing);
    }
    expect(await get('/health', { method: 'POST', headers })).toEqual(missing);
    expect(await get('/status', { headers })).toEqual([
      200,
      'application/json',
      expect.objectContaining({ connections: 0, model: 'offline' }),
    ]);
  });
});
