/**
 * Goal: what an operator gives a plugin in confidence shows up nowhere, whatever the plugin does with it. Method: a gateway as a
 * process with plugins that say their secret on every way they have, and everything that can be read of it.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runCli } from '../cli/processes.ts';
import { gatewayProcess } from '../support/gateway.ts';
import { call, pluginIs, toolList, withPlugins, writePlugin } from '../support/plugins.ts';
import { until } from '../support/wait.ts';

const SECRET = 'canary"secret/0123456789';
const VARIABLE = 'canary-variable-0123456789';
const FORMS = [SECRET, JSON.stringify(SECRET).slice(1, -1), encodeURIComponent(SECRET), VARIABLE];

const SETTINGS = {
  settings: { type: 'object', properties: { keys: { type: 'array', secret: true, items: { type: 'string' } } } },
  needs: { env: ['CANARY'] },
};
const TOOLS = `const all = ({ settings, env }) => settings.keys[0] + ' ' + env.CANARY;
export const tell = (input, context) => all(context);
export const give = (input, context) => ({ deep: [{ [all(context)]: all(context) }] });
export const link = (input, context) => 'https://x.org/?q=' + encodeURIComponent(context.settings.keys[0]);
export const fail = (input, context) => { throw new Error('with ' + all(context)); };
// What trusted code prints by itself is its own, as all it does with the disk or the network.
export const say = (input, context) => { context.log(all(context)); if (typeof process === 'undefined') console.log(JSON.stringify(context.settings)); return 'said'; };`;

it("a plugin's secrets are in no result, error, log line, status or list", async () => {
  const tools = toolList('tell', 'give', 'link', 'fail', 'say');
  const files = {
    'tools.mjs': TOOLS,
    'routes.mjs': `export const handle = (request, { settings, log }) => { log(settings.keys[0]); throw new Error(settings.keys[0]); };`,
    'channel.mjs': `const capabilities = { textLengthMax: 99, edits: false, editIntervalMs: 0, typingMs: 0, buttons: false, fileBytesMax: 0, detectsDuplicates: false };
export const createAdapter = ({ keys }) => ({ capabilities, start: async (events) => events.state('degraded', 'with ' + keys[0]), stop: async () => {} });`,
    'bad.mjs': `export const createProvider = 1;`,
  };
  const routes = { routes: { module: 'routes.mjs', list: [{ path: '/x', scope: 'open' }] } };
  const given = { allow: { env: ['CANARY'], openRoutes: true }, settings: { keys: [SECRET] } };
  const plugins = {
    boxed: { ...given, path: await writePlugin('boxed', { ...SETTINGS, ...tools }, files) },
    inside: {
      ...given,
      trusted: true,
      path: await writePlugin(
        'inside',
        { ...SETTINGS, ...tools, ...routes, channel: { module: 'channel.mjs' } },
        files,
      ),
    },
    bad: {
      ...given,
      trusted: true,
      path: await writePlugin('bad', { ...SETTINGS, provider: { module: 'bad.mjs' } }, files),
    },
  };
  const rules = [{ tools: ['plugin.*'], risk: 'safe' as const }];
  const config = { ...withPlugins(plugins, { tools: { rules } }), log: { level: 'trace' as const } };
  const gateway = await gatewayProcess({ config, env: { CANARY: VARIABLE, DHAAVAK_LOG_LEVEL: 'trace' } });
  const client = await gateway.connect();
  await Promise.all([
    pluginIs(client, 'boxed', 'ready'),
    pluginIs(client, 'inside', 'ready'),
    pluginIs(client, 'bad', 'failed'),
  ]);
  const heard: string[] = [];
  for (const plugin of ['boxed', 'inside']) {
    for (const tool of ['tell', 'give', 'link', 'fail', 'say']) {
      const { output } = await call(client, `plugin.${plugin}.${tool}`);
      expect(output).toMatch(tool === 'say' ? /said/ : /redacted/);
      heard.push(output);
    }
  }
  const spoken = async () => {
    const [channel] = (await client.ask('channel.list')).channels;
    return channel?.state === 'degraded' ? channel.reason : undefined;
  };
  expect(await until(10_000, spoken, 'the channel to say how it is')).toBe('with [redacted]');
  const answer = await fetch(`${gateway.httpUrl}/plugins/inside/x`);
  expect(answer.status).toBe(503);
  heard.push(await answer.text(), JSON.stringify(await client.ask('plugin.reload', {})));
  heard.push(
    JSON.stringify(await client.ask('status')),
    JSON.stringify(await client.ask('session.history', { session: 'agent:main:main' })),
  );
  const flags = ['--home', gateway.home, '--url', gateway.url, '--token', gateway.token];
  for (const command of [['plugins', 'list'], ['plugins', 'list', '--json'], ['status'], ['config', 'show']]) {
    const { stdout, stderr } = await runCli([...command, ...flags]);
    heard.push(stdout, stderr);
  }
  const { stdout, stderr } = await gateway.stop();
  expect(stderr).toContain('a plugin says');
  heard.push(stdout, stderr);
  for (const file of await readdir(gateway.home, { recursive: true, withFileTypes: true })) {
    if (file.isFile() && file.name !== 'dhaavak.yaml')
      heard.push(await readFile(join(file.parentPath, file.name), 'latin1'));
  }
  for (const form of FORMS) for (const text of heard) expect(text.includes(form) ? text : '').toBe('');
});
