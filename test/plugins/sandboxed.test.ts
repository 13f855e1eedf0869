/**
 * Goal: tools of plugins that nobody trusts are of use, and can do nothing but what they were given. Method: plugins as
 * folders, in a gateway whose offline model calls their tools.
 */
import { describe, expect, it } from 'vitest';
import { localGateway } from '../support/gateway.ts';
import { call, pluginIs, said, toolList, withPlugins, writePlugin } from '../support/plugins.ts';
import { localSite } from '../support/sentinel.ts';
import { MAIN } from '../support/valid-requests.ts';

describe('a tool of a plugin that is not trusted', () => {
  it('is called with its input and settings, over several files, and its result is marked', async () => {
    const path = await writePlugin(
      'words',
      {
        ...toolList({
          name: 'count',
          input: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
        }),
        settings: { type: 'object', properties: { by: { type: 'string', default: ' ' } } },
      },
      {
        'tools.mjs': `import { split } from './lib/split.mjs';
export function count({ text }, { settings }) { return { words: split(text, settings.by).length }; }`,
        'lib/split.mjs': `import { by } from '../by.mjs';\nexport const split = (text, sign) => by(sign)(text);`,
        'by.mjs': 'export const by = (sign) => (text) => text.split(sign);',
      },
    );
    const gateway = await localGateway(withPlugins({ words: { path } }));
    const client = await gateway.connect();
    const status = await pluginIs(client, 'words', 'ready');
    expect(status).toMatchObject({
      version: '1.0.0',
      trusted: false,
      kinds: ['tools'],
      tools: 1,
      notes: [],
      faults: 0,
    });
    const { output, failed } = await call(client, 'plugin.words.count', { text: 'one two three' });
    expect(failed).toBe(false);
    expect(output).toMatch(/^\[untrusted content from plugin\.words\.count, .*\]\n\{"words":3\}\n\[\w+: end/);
    expect(await said(client, 'plugin.words.count', { text: 3 })).toMatch(
      /invalid input for plugin\.words\.count: text/,
    );
    // A program of the model has it as a function, with a value.
    const source = 'return (await plugin.words.count({ text: "a b" })).words + 1';
    expect(await said(client, 'code', { source })).toBe('3');
  });

  it('is told what it may not do, and can do nothing else', async () => {
    const path = await writePlugin('curious', toolList('look', 'load', 'later', 'say'), { 'tools.mjs': ESCAPES });
    const client = await (await localGateway(withPlugins({ curious: { path } }))).connect();
    await pluginIs(client, 'curious', 'ready');
    const found = JSON.parse(await said(client, 'plugin.curious.look')) as Record<string, string>;
    for (const [way, what] of Object.entries(found)) expect([way, what]).toEqual([way, 'undefined']);
    expect(await said(client, 'plugin.curious.load')).toMatch(/^(TypeError|Error|ReferenceError|SyntaxError)/);
    expect(await said(client, 'plugin.curious.later')).toBe('"undefined"');
    // Nothing of one call is there in the next.
    expect(await said(client, 'plugin.curious.say')).toBe('1');
    expect(await said(client, 'plugin.curious.say')).toBe('1');
  });

  it('reaches the hosts it was given and no others, by redirects neither, and its key stays with its host', async () => {
    const outside = await localSite((_asked, reply) => reply.end('outside'), '127.0.0.2');
    const site = await localSite((asked, reply) => {
      if (asked.url === '/away') reply.writeHead(302, { location: outside.url }).end();
      else if (asked.url === '/near')
        reply.writeHead(302, { location: site.url.replace('127.0.0.1', 'localhost') }).end();
      else reply.setHeader('content-type', 'application/json').end(JSON.stringify({ key: asked.headers['x-key'] }));
    });
    const path = await writePlugin(
      'far',
      { ...toolList('get'), needs: { hosts: ['127.0.0.1', '127.0.0.2', 'localhost'] } },
      {
        'tools.mjs': `export async function get({ url }, { fetch }) {
  const answer = await fetch(url, { method: 'POST', headers: { 'X-Key': 'abc' }, body: 'x' });
  return { status: answer.status, ...JSON.parse(answer.text) };
}`,
      },
    );
    const allow = { hosts: ['127.0.0.1', 'localhost'] };
    const web = { allow: ['127.0.0.1', '127.0.0.2', 'localhost'], ports: [Number(site.port), Number(outside.port)] };
    const config = withPlugins(
      { far: { path, allow } },
      { tools: { web, rules: [{ tools: ['plugin.far.*'], risk: 'safe' }] } },
    );
    const client = await (await localGateway(config)).connect();
    const { notes } = await pluginIs(client, 'far', 'ready');
    expect(notes).toEqual(['it asks for 127.0.0.2, which plugins.far.allow.hosts has not']);
    expect(await said(client, 'plugin.far.get', { url: `${site.url}/` })).toBe('{"status":200,"key":"abc"}');
    expect(await said(client, 'plugin.far.get', { url: `${site.url}/near` })).toBe('{"status":200}');
    const refused = /may not send requests to 127\.0\.0\.2: its allow\.hosts/;
    expect(await said(client, 'plugin.far.get', { url: outside.url })).toMatch(refused);
    expect(await said(client, 'plugin.far.get', { url: `${site.url}/away` })).toMatch(refused);
    expect(await said(client, 'plugin.far.get', { url: 'file:///etc/passwd' })).toMatch(/scheme|http/);
    expect(outside.connections).toBe(0);
  });

  it('calls other tools as its session may, where it was given them, and never those of plugins', async () => {
    const path = await writePlugin(
      'busy',
      { ...toolList('sum'), needs: { tools: ['calc', 'time.now', 'files.read'] } },
      {
        'tools.mjs':
          'export const sum = async ({ tool, ...input }, { callTool }) => ({ said: await callTool(tool, input) });',
      },
    );
    const config = withPlugins({ busy: { path, allow: { tools: ['calc', 'files.read'] } } });
    const client = await (await localGateway(config)).connect();
    await pluginIs(client, 'busy', 'ready');
    expect(await said(client, 'plugin.busy.sum', { tool: 'calc', expression: '2+3' })).toMatch(/^\{"said":.*5/);
    expect(await said(client, 'plugin.busy.sum', { tool: 'time.now' })).toMatch(/may not call time\.now/);
    expect(await said(client, 'plugin.busy.sum', { tool: 'plugin.busy.sum' })).toMatch(
      /may not call plugin\.busy\.sum/,
    );
    // Its agent has not got it.
    expect(await said(client, 'plugin.busy.sum', { tool: 'files.read', path: 'x' })).toMatch(/there is no tool/);
  });

  it('is believed to be safe only where it can reach nobody; a rule of the operator can say more', async () => {
    const files = { 'tools.mjs': 'export const go = () => 1; export const hold = () => 2;' };
    const manifest = { ...toolList('go', { name: 'hold', risk: 'ask' }), needs: { hosts: ['example.org'] } };
    const [inside, outside] = [
      await writePlugin('inside', manifest, files),
      await writePlugin('outside', manifest, files),
    ];
    const config = withPlugins({
      inside: { path: inside },
      outside: { path: outside, allow: { hosts: ['example.org'] } },
    });
    const client = await (await localGateway(config)).connect();
    await Promise.all([pluginIs(client, 'inside', 'ready'), pluginIs(client, 'outside', 'ready')]);
    const { tools } = await client.ask('session.tools', { session: MAIN });
    expect(Object.fromEntries(tools.map(({ name, risk }) => [name, risk]))).toMatchObject({
      'plugin.inside.go': 'safe',
      'plugin.inside.hold': 'ask',
      'plugin.outside.go': 'ask',
    });
    const dm = await client.ask('session.create', { type: 'dm', user: 'ada' });
    const theirs = await client.ask('session.tools', { session: dm.session.id });
    expect(theirs.tools.find(({ name }) => name === 'plugin.inside.go')).toMatchObject({
      allowed: false,
      rule: 'tools.types.dm.deny: group:plugin',
    });
  });

  it('is stopped when it takes too long or too much, and the next call works', async () => {
    const path = await writePlugin('heavy', toolList('spin', 'grow', 'wait', 'print', 'fail', 'fine'), {
      'tools.mjs': `export const spin = () => { for (;;); };
export const grow = () => { const all = []; for (;;) all.push(new Array(1e5).fill(all.length)); };
export const wait = () => new Promise(() => {});
export const print = (input, { log }) => { for (let n = 0; n < 1e4; n += 1) log('x'.repeat(1e3)); return 'y'.repeat(1e6); };
export const fail = () => { throw new Error('it went wrong'); };
export const fine = () => 'fine';`,
    });
    const config = withPlugins({ heavy: { path } }, { tools: { code: { timeoutMs: 1_000, cpuMs: 500 } } });
    const client = await (await localGateway(config)).connect();
    await pluginIs(client, 'heavy', 'ready');
    expect(await said(client, 'plugin.heavy.spin')).toMatch(
      /it was stopped: it used more than 500 ms of processor time/,
    );
    expect(await said(client, 'plugin.heavy.grow')).toMatch(/it was stopped/);
    expect(await said(client, 'plugin.heavy.wait')).toMatch(/it waits for something that will never come/);
    expect((await said(client, 'plugin.heavy.print')).length).toBeLessThan(33_000);
    expect(await said(client, 'plugin.heavy.fail')).toBe('Error: it went wrong');
    expect(await said(client, 'plugin.heavy.fine')).toBe('fine');
    expect(await pluginIs(client, 'heavy', 'ready')).toMatchObject({
      faults: 4,
      lastFault: 'fail: Error: it went wrong',
    });
  });
});

/** Each says what it has found: nothing but `undefined` will do. */
const ESCAPES = `
const ways = {
  process: () => typeof process,
  require: () => typeof require,
  module: () => typeof module,
  fetch: () => typeof fetch,
  Buffer: () => typeof Buffer,
  WebAssembly: () => typeof WebAssembly,
  SharedArrayBuffer: () => typeof SharedArrayBuffer,
  meta: () => typeof import.meta.url,
  function: () => typeof (function () {}).constructor('return this')().process,
  eval: () => typeof (0, eval)('this').process,
  error: () => { try { null.x; } catch (error) { return typeof error.constructor.constructor('return process')(); } },
  proxy: () => typeof new Proxy(() => {}, {}).constructor.constructor('return globalThis')().require,
};
const tried = (way) => { try { return String(way()); } catch { return 'undefined'; } };
export const look = (input, context) => {
  const theirs = Object.entries(context).filter(([, value]) => typeof value === 'function');
  const all = { ...ways };
  for (const [name, value] of theirs) all['context ' + name] = () => typeof value.constructor('return process')();
  all.input = () => typeof input.constructor.constructor('return process')();
  return Object.fromEntries(Object.entries(all).map(([name, way]) => [name, tried(way)]));
};
export const load = () => import('node:fs');
export const later = async (input, { callTool }) => {
  const error = await callTool('exec', {}).catch((error) => error);
  return JSON.stringify(tried(() => typeof error.constructor.constructor('return process')()));
};
let calls = 0;
export const say = () => { calls += 1; globalThis.seen = (globalThis.seen ?? 0) + 1; return Math.max(calls, globalThis.seen); };
`;
