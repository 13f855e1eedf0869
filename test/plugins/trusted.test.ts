/**
 * Goal: what an operator trusts by name runs in the gateway's process, changes with each load, and what it does wrong costs its
 * own calls. Method: plugins as folders in a gateway, some of which misbehave.
 */
import { describe, expect, it } from 'vitest';
import { localGateway } from '../support/gateway.ts';
import { freePort, Line, lineChannelSource } from '../support/line-channel.ts';
import { call, type Plugins, pluginIs, said, toolList, withPlugins, writePlugin } from '../support/plugins.ts';
import { rawHttp } from '../support/raw-http.ts';
import { until, within } from '../support/wait.ts';

describe('a tool of a trusted plugin', () => {
  it('has all of Node, and the same of the gateway as others; its helpers are read anew with each load', async () => {
    const files = (helper: string) => ({
      'tools.mjs': `import { hostname } from 'node:os';
import { helper } from './helper.mjs';
export const say = () => hostname().length > 0 ? helper : '';
export const sum = (input, { callTool }) => callTool('calc', { expression: '2+3' });`,
      'helper.mjs': `export const helper = '${helper}';`,
    });
    const manifest = { ...toolList('say', 'sum'), needs: { tools: ['calc'] } };
    const path = await writePlugin('own', manifest, files('first'));
    const plugins = { own: { path, trusted: true, allow: { tools: ['calc'] } } };
    const client = await (await localGateway(withPlugins(plugins))).connect();
    expect(await pluginIs(client, 'own', 'ready')).toMatchObject({ trusted: true, notes: [] });
    expect(await said(client, 'plugin.own.say')).toBe('first');
    expect(await said(client, 'plugin.own.sum')).toMatch(/5/);
    await writePlugin('own', manifest, files('second'), { folder: path });
    await client.ask('plugin.reload', { plugin: 'own' });
    expect(await said(client, 'plugin.own.say')).toBe('second');
  });

  it('that throws or rejects, now or later, costs its call; the shard goes on', async () => {
    const path = await writePlugin('own', toolList('now', 'soon', 'later', 'fine'), {
      'tools.mjs': `export const now = () => { throw new Error('now'); };
export const soon = async () => { throw new Error('soon'); };
export const later = () => { setTimeout(() => { throw new Error('later'); }, 1); Promise.reject(new Error('lost')); return 'ok'; };
export const fine = () => 'fine';`,
    });
    const client = await (await localGateway(withPlugins({ own: { path, trusted: true } }))).connect();
    await pluginIs(client, 'own', 'ready');
    expect(await call(client, 'plugin.own.now')).toMatchObject({
      failed: true,
      output: expect.stringContaining('now'),
    });
    expect(await call(client, 'plugin.own.soon')).toMatchObject({
      failed: true,
      output: expect.stringContaining('soon'),
    });
    expect(await said(client, 'plugin.own.later')).toBe('ok');
    await pluginIs(client, 'own', 'ready', ({ faults }) => faults === 4);
    expect(await said(client, 'plugin.own.fine')).toBe('fine');
    expect((await client.ask('status')).shards).toMatchObject([{ restarts: 0 }]);
  });

  it('that never yields is ended with its shard, and the shard that comes for it has the plugin', async () => {
    const path = await writePlugin('own', toolList('spin', 'fine'), {
      'tools.mjs': `export const spin = () => { for (;;); };\nexport const fine = () => 'fine';`,
    });
    const client = await (await localGateway(withPlugins({ own: { path, trusted: true } }))).connect();
    await pluginIs(client, 'own', 'ready');
    const { session } = await client.ask('session.create', { type: 'main' });
    await client.ask('message.send', { session: session.id, text: 'call plugin.own.spin {}' });
    const replaced = async () => {
      const { shards } = await client.ask('status');
      return shards.every(({ restarts, state }) => restarts > 0 && state === 'ready') || undefined;
    };
    await until(30_000, replaced, 'the shard to be replaced');
    // The call was made, and is not made again: the run goes on with an outcome that nobody knows.
    expect(await said(client, 'plugin.own.fine')).toBe('fine');
    expect((await client.ask('status')).shards).toMatchObject([{ restarts: 1 }]);
  }, 60_000);

  it('is found out where its import throws, exits, never ends or never yields; no shard has imported it', async () => {
    const sources = {
      throws: 'throw new Error("not today");',
      exits: 'process.exit(3);',
      waits: 'await new Promise(() => setInterval(() => {}, 1_000)); export const say = 1;',
      spins: 'for (;;); export const say = 1;',
    };
    const plugins: Plugins = {};
    for (const [name, source] of Object.entries(sources)) {
      plugins[name] = { path: await writePlugin(name, toolList('say'), { 'tools.mjs': source }), trusted: true };
    }
    const client = await (await localGateway(withPlugins(plugins))).connect();
    const reason = async (name: string) => (await pluginIs(client, name, 'failed')).reason;
    expect(await reason('throws')).toBe('its import failed: not today');
    expect(await reason('exits')).toBe('its import ended the thread with code 3');
    expect(await reason('waits')).toBe('its import takes longer than 10000 ms');
    expect(await reason('spins')).toBe('its import takes longer than 10000 ms');
    expect((await client.ask('status')).shards).toMatchObject([{ restarts: 0, state: 'ready' }]);
  }, 40_000);
});

describe('a model provider of a plugin', () => {
  const provider = (body: string) => ({
    'provider.mjs': `export const createProvider = (settings) => ({\n${body}\n});`,
  });
  const manifest = { provider: { module: 'provider.mjs' } };

  it('answers as the model of sessions, and another one after a reload; without it a fallback does', async () => {
    const echo = (mark: string) =>
      provider(`async *stream({ model, messages }) {
    yield { type: 'text', text: '${mark} ' + model + ': ' + messages.at(-1).text };
    yield { type: 'end', reason: 'stop', usage: { inputTokens: 3, outputTokens: 4 } };
  },`);
    const path = await writePlugin('echo', manifest, echo('first'));
    let plugins: Plugins = { echo: { path, trusted: true } };
    const models = { default: 'echo/loud', fallbacks: ['offline'] };
    const gateway = await localGateway(withPlugins(plugins, { models }), () => withPlugins(plugins, { models }));
    const client = await gateway.connect();
    await pluginIs(client, 'echo', 'ready');
    const answer = async () => {
      const { message } = await client.ask('message.send', { text: 'hello' });
      const end = await client.runEnd(message);
      const out = client.events('message.outbound').find(({ data }) => data.run === end.data.run);
      return { text: out?.data.text, usage: end.data.usage };
    };
    expect(await answer()).toMatchObject({ text: 'first loud: hello', usage: { inputTokens: 3, outputTokens: 4 } });
    await writePlugin('echo', manifest, echo('second'), { folder: path });
    await client.ask('plugin.reload', {});
    expect((await answer()).text).toBe('second loud: hello');
    plugins = {};
    await client.ask('plugin.reload', {});
    expect((await answer()).text).toMatch(/offline/i);
  });

  it('that breaks is an error of the model, without its key', async () => {
    const path = await writePlugin(
      'odd',
      { ...manifest, settings: { type: 'object', properties: { key: { type: 'string', secret: true } } } },
      {
        'provider.mjs': `export const createProvider = ({ key }) => ({
  async *stream({ model }) {
    if (model === 'rejects') throw Object.assign(new Error('the key ' + key + ' is wrong'), { kind: 'rejected' });
    if (model === 'garbage') yield { type: 'text', text: 7 };
    if (model === 'cut') yield { type: 'text', text: 'half' };
  },
});`,
      },
    );
    const plugins = { odd: { path, trusted: true, settings: { key: 'canary-key-0123456789' } } };
    const client = await (await localGateway(withPlugins(plugins))).connect();
    await pluginIs(client, 'odd', 'ready');
    const error = async (model: string) => {
      const { session } = await client.ask('session.create', { model, type: 'dm', user: model.replace('/', '-') });
      const { message } = await client.ask('message.send', { session: session.id, text: 'hello' });
      return (await client.runEnd(message)).data.error;
    };
    expect(await error('odd/rejects')).toMatchObject({
      code: 'model_rejected',
      message: 'the plugin odd: the key [redacted] is wrong',
    });
    expect(await error('odd/garbage')).toMatchObject({
      code: 'model_unavailable',
      message: 'the plugin odd: it sent something that is no event of a model',
    });
    expect(await error('odd/cut')).toMatchObject({ message: 'the plugin odd: its answer has no end' });
  });
});

describe('HTTP routes of a plugin', () => {
  const ROUTES = {
    routes: {
      module: 'routes.mjs',
      list: [
        { path: '/secret' },
        { path: '/read', scope: 'read', methods: ['GET', 'POST'] },
        { path: '/hook', scope: 'open', methods: ['POST'] },
        { path: '/spin', scope: 'open' },
        { path: '/die', scope: 'open' },
        { path: '/split', scope: 'open' },
      ],
    },
  };
  const FILES = {
    'routes.mjs': `export async function handle({ method, path, query, headers, body }) {
  if (path === '/spin') for (;;);
  if (path === '/die') setTimeout(() => { throw new Error('dead'); });
  if (path === '/die') return new Promise(() => {});
  if (path === '/split') return { headers: { 'x-a': 'b\\r\\nx-evil: 1' } };
  const seen = { method, path, query, authorization: headers.authorization, body: Buffer.from(body).toString() };
  return { status: 201, headers: { 'content-type': 'application/json', 'Content-Length': '1' }, body: JSON.stringify(seen) };
}`,
  };

  it('are let in by the scope each has, and what one does wrong costs that one', async () => {
    const path = await writePlugin('site', ROUTES, FILES);
    const gateway = await localGateway(withPlugins({ site: { path, trusted: true, allow: { openRoutes: true } } }));
    const client = await gateway.connect();
    await pluginIs(client, 'site', 'ready');
    const { token: reader } = await client.ask('token.create', { name: 'reader', scopes: ['read'] });
    const ask = (route: string, init: RequestInit & { token?: string } = {}) => {
      const { token, ...rest } = init;
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      return fetch(`${gateway.httpUrl}/plugins/site${route}`, { ...rest, headers });
    };
    const status = async (...args: Parameters<typeof ask>) => (await ask(...args)).status;
    expect(await status('/secret')).toBe(401);
    expect(await status('/secret', { token: reader })).toBe(403);
    expect(await status('/secret', { token: gateway.token })).toBe(201);
    expect(await status('/read')).toBe(401);
    expect(await status('/read', { token: 'wrong-token-0123456789' })).toBe(401);
    const read = await ask('/read?a=b', { token: reader, method: 'POST', body: 'x'.repeat(10) });
    expect(await read.json()).toEqual({ method: 'POST', path: '/read', query: 'a=b', body: 'x'.repeat(10) });
    expect(read.headers.get('content-type')).toBe('application/json');
    expect(await status('/hook', { method: 'POST', body: '1' })).toBe(201);
    expect(await status('/hook', { method: 'POST', body: Buffer.alloc(1_100_000) }).catch(() => 413)).toBe(413);
    // No route: as anywhere else.
    expect(await status('/hook')).toBe(401);
    expect(await status('/none', { token: reader })).toBe(404);
    expect(await status('/../../status', { token: reader })).toBe(200);
    expect(await status('/split')).toBe(503);
    const evil = { text: `GET /plugins/site/hook HTTP/1.1\r\nHost: evil.example\r\n\r\n` };
    expect(await rawHttp(gateway.httpUrl, evil)).toBe(403);

    expect(await status('/die')).toBe(503);
    await until(
      10_000,
      async () => (await status('/hook', { method: 'POST' })) === 201 || undefined,
      'it to be there again',
    );
    // One that spins holds up its own thread only, which is replaced.
    const spinning = status('/spin');
    const started = performance.now();
    expect(await (await fetch(`${gateway.httpUrl}/health`)).json()).toEqual({ status: 'ok' });
    expect(await said(client, 'calc', { expression: '6*7' })).toMatch(/42/);
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(await spinning).toBe(503);
    await until(
      20_000,
      async () => (await status('/hook', { method: 'POST' })) === 201 || undefined,
      'it to be there again',
    );
    const { faults } = await pluginIs(client, 'site', 'ready');
    expect(faults).toBeGreaterThanOrEqual(4);
  }, 60_000);

  it('are not there where the operator has not opened or not trusted them', async () => {
    const [one, two] = [await writePlugin('one', ROUTES, FILES), await writePlugin('two', ROUTES, FILES)];
    const gateway = await localGateway(withPlugins({ one: { path: one, trusted: true }, two: { path: two } }));
    const client = await gateway.connect();
    const { notes } = await pluginIs(client, 'one', 'ready');
    expect(notes).toContain('its route /hook is open to anybody, and plugins.one.allow.openRoutes is not set');
    expect((await fetch(`${gateway.httpUrl}/plugins/one/hook`, { method: 'POST' })).status).toBe(401);
    expect((await pluginIs(client, 'two', 'failed')).reason).toMatch(/its routes needs? plugins\.two\.trusted: true/);
    const authorization = `Bearer ${gateway.token}`;
    expect((await fetch(`${gateway.httpUrl}/plugins/two/secret`, { headers: { authorization } })).status).toBe(404);
    expect((await fetch(`${gateway.httpUrl}/plugins/one/secret`, { headers: { authorization } })).status).toBe(201);
  });
});

describe('a channel of a plugin', () => {
  it('takes messages and sends answers, is made anew by a reload and ends with the plugin', async () => {
    const source = await lineChannelSource();
    const port = await freePort();
    const manifest = {
      channel: { module: 'channel.mjs' },
      settings: { type: 'object', properties: { port: { type: 'integer' } }, required: ['port'] },
    };
    const path = await writePlugin('line', manifest, { 'channel.mjs': source });
    let plugins: Plugins = {};
    const gateway = await localGateway(withPlugins(plugins), () => withPlugins(plugins));
    const client = await gateway.connect();
    plugins = { line: { path, trusted: true, settings: { port }, channel: { dm: 'open' } } };
    await client.ask('plugin.reload', {});
    const line = await Line.open(port);
    line.say('kitchen ada#1: what is 2+3*4');
    expect(await line.heard(/bot: /)).toBe('kitchen bot: "2+3*4 = 14"');
    expect((await client.ask('channel.list')).channels).toMatchObject([{ channel: 'line', state: 'ready', sent: 1 }]);
    await client.ask('channel.send', { to: 'line:kitchen', text: 'dinner' });
    await line.heard(/dinner/);

    await writePlugin('line', manifest, { 'channel.mjs': source.replaceAll(' bot: ', ' robot: ') }, { folder: path });
    await client.ask('plugin.reload', {});
    // Until then it may be the old one that answers, or cuts the line.
    const renewed = async () => {
      const other = await Line.open(port);
      other.say('kitchen ada: what is 1+1');
      return within(1_000, other.heard(/^kitchen robot: /), () => 'an answer').catch(() => undefined);
    };
    expect(await until(15_000, renewed, 'the new version')).toMatch(/1\+1 = 2/);

    plugins = {};
    await client.ask('plugin.reload', {});
    const gone = async () => ((await client.ask('channel.list')).channels.length === 0 ? true : undefined);
    await until(10_000, gone, 'the channel to be gone');
    expect(await client.refusal('channel.send', { to: 'line:kitchen', text: 'x' })).toMatchObject({
      code: 'not_found',
    });
  });
});
