/**
 * Goal: what docs/extending.md shows works as it stands there, one plugin of each kind. Method: its listings, written to a folder
 * by their names, added to a gateway and used. Only where they name a host of the internet, it is a local one.
 */
import { createHmac } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { openPluginBackend } from '../../src/plugins/memory.ts';
import { runCli } from '../cli/processes.ts';
import { backendSuite } from '../memory/backend-suite.ts';
import { localGateway } from '../support/gateway.ts';
import { freePort, Line, lineChannelSource } from '../support/line-channel.ts';
import { pluginIs, said, withPlugins } from '../support/plugins.ts';
import { localSite } from '../support/sentinel.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import { until } from '../support/wait.ts';

const page = await readFile(new URL('../../docs/extending.md', import.meta.url), 'utf8');
const listings = [...page.matchAll(/^```js(?:on)? (\w+)\/([\w./-]+)\n([\s\S]*?)^```$/gm)].map(
  ([, plugin = '', file = '', source = '']) => ({ plugin, file, source }),
);

/** Writes a plugin of the page into a new folder. */
async function shown(plugin: string, change = (source: string) => source): Promise<string> {
  const folder = join(await tempFolder(), plugin);
  for (const { file, source } of listings.filter((one) => one.plugin === plugin)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), change(source));
  }
  return folder;
}

async function openOverlap(folder: string) {
  const path = await shown('overlap');
  const config = configSchema.parse({
    home: folder,
    memory: { backend: 'overlap' },
    plugins: { overlap: { path, trusted: true } },
  });
  return openPluginBackend(config, { folder, log: pino({ level: 'silent' }) });
}

backendSuite('overlap', { open: (folder) => openOverlap(folder), survives: false });

describe('docs/extending.md', () => {
  it('has one plugin of each kind, whose manifests are in order', async () => {
    const plugins = [...new Set(listings.map(({ plugin }) => plugin))];
    expect(plugins).toEqual(['words', 'host', 'parrot', 'overlap', 'door', 'line']);
    const kinds: string[] = [];
    for (const plugin of plugins) {
      const { stdout, exitCode } = await runCli(['plugins', 'check', await shown(plugin), '--json']);
      expect([plugin, exitCode]).toEqual([plugin, 0]);
      kinds.push(...JSON.parse(stdout).kinds);
    }
    expect(kinds).toEqual(['tools', 'tools', 'provider', 'memory', 'routes', 'channel']);
  });

  it('words: sandboxed tools that count and look up', async () => {
    const key = 'a-key-of-the-dictionary';
    const dictionary = await localSite((asked, reply) => {
      const isLetIn = asked.headers.authorization === `Bearer ${key}`;
      if (asked.url !== '/v1/pelican') reply.writeHead(isLetIn ? 404 : 403).end();
      else reply.end(JSON.stringify({ meaning: 'a bird' }));
    });
    const path = await shown('words', (source) => source.replaceAll('dictionary.example.org', '127.0.0.1'));
    const words = {
      path,
      settings: { key, dictionary: dictionary.url },
      allow: { hosts: ['127.0.0.1'], tools: ['time.now'] },
    };
    const rules = [{ tools: ['plugin.words.define'], risk: 'safe' as const }];
    const web = { allow: [`127.0.0.1:${dictionary.port}`] };
    const client = await (await localGateway(withPlugins({ words }, { tools: { web, rules } }))).connect();
    await pluginIs(client, 'words', 'ready');
    expect(await said(client, 'plugin.words.define', { word: 'pelican' })).toMatch(/^\{"meaning":"a bird","at":.*\d/);
    expect(await said(client, 'plugin.words.define', { word: 'nonsense' })).toBe('The dictionary has no "nonsense".');
  });

  it('words: counts without an operator where it was given no host', async () => {
    const words = { path: await shown('words'), settings: { key: 'k' } };
    const client = await (await localGateway(withPlugins({ words }))).connect();
    await pluginIs(client, 'words', 'ready');
    expect(await said(client, 'plugin.words.count', { text: 'one two, three' })).toBe('{"words":3}');
  });

  it('host: a trusted tool', async () => {
    const client = await (
      await localGateway(withPlugins({ host: { path: await shown('host'), trusted: true } }))
    ).connect();
    await pluginIs(client, 'host', 'ready');
    expect(await said(client, 'plugin.host.load')).toMatch(/^\d+\.\d\d on \d+ cores$/);
  });

  it('parrot: a model provider', async () => {
    const parrot = { path: await shown('parrot'), trusted: true };
    const gateway = await localGateway(withPlugins({ parrot }, { models: { default: 'parrot/loud' } }));
    const client = await gateway.connect();
    await pluginIs(client, 'parrot', 'ready');
    const { message } = await client.ask('message.send', { text: 'pieces of eight' });
    await client.runEnd(message);
    expect(client.events('message.outbound')[0]?.data.text.trim()).toBe('pieces of eight');
    const { session } = await client.ask('session.create', { model: 'parrot/mute', type: 'dm', user: 'ada' });
    const silent = await client.ask('message.send', { session: session.id, text: 'hello' });
    expect((await client.runEnd(silent.message)).data.error).toMatchObject({ code: 'model_rejected' });
  });

  it('overlap: a memory backend, in a gateway, begun anew by a reload', async () => {
    const path = await shown('overlap');
    const plugins = { overlap: { path, trusted: true } };
    const gateway = await localGateway(withPlugins(plugins, { memory: { backend: 'overlap' } }));
    const client = await gateway.connect();
    await pluginIs(client, 'overlap', 'ready');
    const { message } = await client.ask('message.send', { text: 'the boiler is in the cellar' });
    await client.runEnd(message);
    const search = { query: 'boiler', session: MAIN };
    const find = async () => (await client.ask('memory.search', search)).results.find(({ by }) => by[0] === 'words');
    expect(await until(20_000, find, 'it to be found')).toMatchObject({ session: MAIN });
    const changed = (await readFile(join(path, 'memory.mjs'), 'utf8')).replace("by: ['words']", "by: ['meaning']");
    await writeFile(join(path, 'memory.mjs'), changed);
    await client.ask('plugin.reload', { plugin: 'overlap' });
    const renewed = async () =>
      (await client.ask('memory.search', search)).results.find(({ by }) => by[0] === 'meaning');
    await until(20_000, renewed, 'it to be found by the new code');
  }, 60_000);

  it('overlap: is refused in words where it cannot be one', async () => {
    const path = await shown('overlap', (source) => source.replace('async forget(', 'async forgets('));
    const open = (more: object) => {
      const plugins = { overlap: { path, ...more } };
      const config = configSchema.parse({ home: '/nowhere', memory: { backend: 'overlap' }, plugins });
      return openPluginBackend(config, { folder: '/nowhere', log: pino({ level: 'silent' }) });
    };
    await expect(open({})).rejects.toThrow('its memory needs plugins.overlap.trusted: true');
    await expect(open({ trusted: true, enabled: false })).rejects.toThrow('it is switched off');
    await expect(open({ trusted: true })).rejects.toThrow('what its createBackend returns has no forget()');
  });

  it('door: routes, one open and one for operators', async () => {
    const secret = 'a-secret-of-the-door';
    const door = { path: await shown('door'), trusted: true, allow: { openRoutes: true }, settings: { secret } };
    const gateway = await localGateway(withPlugins({ door }));
    await pluginIs(await gateway.connect(), 'door', 'ready');
    const ring = (signature: string) =>
      fetch(`${gateway.httpUrl}/plugins/door/ring`, {
        method: 'POST',
        body: 'ring',
        headers: { 'x-signature': signature },
      });
    const signed = createHmac('sha256', secret).update('ring').digest('hex');
    expect((await ring(signed)).status).toBe(204);
    expect((await ring('00')).status).toBe(401);
    const rings = `${gateway.httpUrl}/plugins/door/rings`;
    expect((await fetch(rings)).status).toBe(401);
    const answer = await fetch(rings, { headers: { authorization: `Bearer ${gateway.token}` } });
    expect(await answer.json()).toEqual({ rings: 1 });
  });

  it('line: a channel', async () => {
    const path = await shown('line');
    await writeFile(join(path, 'line-channel.mjs'), await lineChannelSource());
    const port = await freePort();
    const line = { path, trusted: true, settings: { port }, channel: { dm: 'open' as const } };
    await localGateway(withPlugins({ line }));
    const somebody = await Line.open(port);
    somebody.say('kitchen ada#1: what is 2+3*4');
    expect(await somebody.heard(/bot: /)).toBe('kitchen bot: "2+3*4 = 14"');
  });
});
