/**
 * Goal: plugins come, change and go while the gateway runs, and one that is broken, in whatever way, is told and harms nobody.
 * Method: folders that are written and rewritten under a gateway, whose offline model calls what there is.
 */
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { runCli } from '../cli/processes.ts';
import { gatewayProcess, localGateway } from '../support/gateway.ts';
import {
  type ManifestParts,
  type Plugins,
  pluginIs,
  said,
  toolList,
  withPlugins,
  writePlugin,
} from '../support/plugins.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import type { WireClient } from '../support/wire-client.ts';

const says = (text: string) => ({ 'tools.mjs': `export const say = () => '${text}';` });
const SAY = toolList('say');

/** The tools of plugins that the main session has. */
async function offered(client: WireClient): Promise<string[]> {
  const { tools } = await client.ask('session.tools', { session: MAIN });
  return tools.filter(({ group, allowed }) => group === 'plugin' && allowed).map(({ name }) => name);
}

describe('plugins', () => {
  it('are added, changed and removed while the gateway runs; none is loaded before', async () => {
    let plugins: Plugins = {};
    const gateway = await localGateway(withPlugins({}), () => withPlugins(plugins));
    const client = await gateway.connect();
    expect(await client.ask('plugin.list')).toEqual({ plugins: [] });
    expect(await offered(client)).toEqual([]);

    const path = await writePlugin('words', SAY, says('first'));
    plugins = { words: { path } };
    expect(await client.ask('plugin.reload', {})).toMatchObject({ plugins: [{ plugin: 'words', state: 'ready' }] });
    expect(await said(client, 'plugin.words.say')).toBe('first');

    await writePlugin('words', SAY, says('second'), { folder: path, version: '2.0.0' });
    expect(await said(client, 'plugin.words.say')).toBe('first');
    const reloaded = await client.ask('plugin.reload', { plugin: 'words' });
    expect(reloaded.plugins).toMatchObject([{ version: '2.0.0', state: 'ready', reason: null }]);
    expect(await said(client, 'plugin.words.say')).toBe('second');

    plugins = { words: { path, enabled: false } };
    expect((await client.ask('plugin.reload', {})).plugins).toMatchObject([
      { state: 'stopped', version: null, tools: 0 },
    ]);
    expect(await offered(client)).toEqual([]);

    plugins = {};
    expect(await client.ask('plugin.reload', {})).toEqual({ plugins: [] });
    expect(await offered(client)).toEqual([]);
    expect(await client.refusal('plugin.reload', { plugin: 'words' })).toMatchObject({ code: 'not_found' });
  });

  it('go on as they were where what comes after them cannot be loaded', async () => {
    const path = await writePlugin('words', SAY, says('good'));
    const client = await (await localGateway(withPlugins({ words: { path } }))).connect();
    await pluginIs(client, 'words', 'ready');
    await writePlugin('words', SAY, { 'tools.mjs': 'export const say = () => {' }, { folder: path, version: '2.0.0' });
    const { plugins } = await client.ask('plugin.reload', {});
    expect(plugins).toMatchObject([{ version: '1.0.0', state: 'ready', tools: 1 }]);
    expect(plugins[0]?.reason).toMatch(/^it could not be loaded anew, and 1\.0\.0 goes on: SyntaxError/);
    expect(await said(client, 'plugin.words.say')).toBe('good');
    const status = await client.ask('status');
    expect(status.plugins).toEqual((await client.ask('plugin.list')).plugins);
    await writePlugin('words', SAY, says('mended'), { folder: path, version: '2.0.1' });
    expect((await client.ask('plugin.reload', {})).plugins).toMatchObject([{ version: '2.0.1', reason: null }]);
    expect(await said(client, 'plugin.words.say')).toBe('mended');
  });

  it('end a call with the version it began with', async () => {
    const slow = `export const say = async () => {
  const until = Date.now() + 1_500;
  while (Date.now() < until) await sleep(50);
  return 'old';
};`;
    const path = await writePlugin('words', SAY, { 'tools.mjs': slow });
    const client = await (await localGateway(withPlugins({ words: { path } }))).connect();
    await pluginIs(client, 'words', 'ready');
    const calling = said(client, 'plugin.words.say');
    await client.event('tool.start');
    await writePlugin('words', SAY, says('new'), { folder: path, version: '2.0.0' });
    await client.ask('plugin.reload', { plugin: 'words' });
    expect(await calling).toBe('old');
    expect(await said(client, 'plugin.words.say')).toBe('new');
  });

  it('that are broken say why, and the others and the gateway do not mind', async () => {
    const broken: Record<
      string,
      [manifest: ManifestParts, files: Record<string, string>, reason: RegExp, more?: object]
    > = {
      throws: [SAY, { 'tools.mjs': 'throw new Error("not today");' }, /not today/],
      spins: [SAY, { 'tools.mjs': 'for (;;);' }, /stopped while it was loaded.*processor time/],
      lacks: [SAY, { 'tools.mjs': 'export const tell = 1;' }, /exports no function say/],
      imports: [
        SAY,
        { 'tools.mjs': 'import "node:fs"; export const say = 1;' },
        /imports "node:fs": only files of the plugin/,
      ],
      missing: [SAY, {}, /there is no file tools\.mjs/],
      mistyped: [{ ...SAY, tols: {} }, says(''), /unknown key tols; did you mean tools\?/],
      escapes: [
        { tools: { module: '../tools.mjs', list: [] } },
        says(''),
        /must be a \.js or \.mjs file in the folder/,
      ],
      twice: [toolList('say', 'say'), says(''), /one is there twice/],
      other: [{ ...SAY, name: 'another' }, says(''), /it calls itself another/],
      newer: [{ ...SAY, api: [2, 3] }, says(''), /for the plugin API 2 to 3, and this gateway has 1/],
      nothing: [{}, says(''), /offers nothing/],
      schema: [
        toolList({ name: 'say', input: { type: 'object', if: {} } }),
        says(''),
        /no JSON Schema that can be checked/,
      ],
      large: [SAY, { 'tools.mjs': `export const say = 1; // ${'x'.repeat(600_000)}` }, /more than 524288 characters/],
      untrusted: [{ provider: { module: 'tools.mjs' } }, says(''), /needs plugins\.untrusted\.trusted: true/],
      unset: [
        {
          ...SAY,
          settings: { type: 'object', properties: { key: { type: 'string', secret: true } }, required: ['key'] },
        },
        says(''),
        /plugins\.unset\.settings\.key must be text/,
      ],
      odd: [
        { ...SAY, settings: { type: 'object', properties: { colour: { type: 'string' } } } },
        says(''),
        /unknown key plugins\.odd\.settings\.color; did you mean plugins\.odd\.settings\.colour\?/,
        { settings: { color: 'canary-secret-value' } },
      ],
    };
    const plugins: Plugins = {
      good: { path: await writePlugin('good', SAY, says('good')) },
      gone: { path: '/nowhere/gone' },
      bare: { path: await tempFolder() },
    };
    for (const [name, [manifest, files, , more]] of Object.entries(broken)) {
      plugins[name] = { path: await writePlugin(name, manifest, files), ...more };
    }
    const client = await (await localGateway(withPlugins(plugins))).connect();
    await pluginIs(client, 'good', 'ready');
    expect(await said(client, 'plugin.good.say')).toBe('good');
    for (const [name, [, , reason]] of Object.entries(broken)) {
      const status = await pluginIs(client, name, 'failed');
      expect([name, status.reason]).toEqual([name, expect.stringMatching(reason)]);
      expect(status.reason).not.toContain('canary-secret-value');
    }
    expect((await pluginIs(client, 'gone', 'failed')).reason).toBe('there is no folder /nowhere/gone');
    expect((await pluginIs(client, 'bare', 'failed')).reason).toMatch(/there is no .*package\.json/);
    expect(await offered(client)).toEqual(['plugin.good.say']);
  });

  it('are never loaded from where an agent may write, nor through a link to there', async () => {
    const home = await tempFolder();
    const workspace = join(home, 'agents', 'main');
    await writePlugin('inner', SAY, says(''), { folder: join(workspace, 'inner') });
    const link = join(await tempFolder(), 'linked');
    await symlink(join(workspace, 'inner'), link);
    const plugins = { inner: { path: join(workspace, 'inner') }, linked: { path: link } };
    const client = await (await localGateway(withPlugins(plugins, { home }))).connect();
    for (const name of ['inner', 'linked']) {
      expect((await pluginIs(client, name, 'failed')).reason).toMatch(/the workspace of the agent main/);
    }
  });
});

describe('dhaavak plugins', () => {
  it('adds, lists, reloads, checks and removes them in the configuration file, whose comments stay', async () => {
    const home = await tempFolder();
    const gateway = await gatewayProcess({ home, config: withPlugins({}) });
    const file = join(home, 'dhaavak.yaml');
    const flags = ['--home', home, '--url', gateway.url, '--token', gateway.token];
    await writeFile(file, `# ours\n${stringify(withPlugins({}))}`);
    const path = await writePlugin('words', { ...SAY, needs: { hosts: ['api.example.org'] } }, says('hello'));

    // A name that begins like a plugin's is taken also before there is one.
    const named = join(await tempFolder(), 'named.yaml');
    await writeFile(
      named,
      stringify({ agents: { main: { tools: ['plugin.words.say', 'plugin.later.*', 'group:plugin'] } } }),
    );
    expect(await runCli(['config', 'check', '--config', named])).toMatchObject({ exitCode: 0, stderr: '' });

    const checked = await runCli(['plugins', 'check', path]);
    expect(checked.stdout).toContain('words 1.0.0: in order. It has tools.\n  asks for allow.hosts: api.example.org');
    const added = await runCli(['plugins', 'add', path, ...flags]);
    expect(added).toMatchObject({ exitCode: 0, stderr: '' });
    expect(added.stdout).toMatch(/words +1\.0\.0 +ready +no +1 tools +0\n.*which plugins\.words\.allow\.hosts has not/);
    expect(await readFile(file, 'utf8')).toMatch(/^# ours\n/);
    const client = await gateway.connect();
    expect(await said(client, 'plugin.words.say')).toBe('hello');
    expect((await runCli(['plugins', 'add', path, ...flags])).stderr).toMatch(/has a plugin words already/);

    const installed = join(home, 'node_modules', 'dhaavak-more');
    await mkdir(installed, { recursive: true });
    await writePlugin('more', { ...SAY, needs: { hosts: ['x.org'] } }, says('more'), { folder: installed });
    expect((await runCli(['plugins', 'add', 'dhaavak-more', '--grant', ...flags])).stdout).toMatch(
      /more +1\.0\.0 +ready/,
    );
    const listed = JSON.parse((await runCli(['plugins', 'list', '--json', ...flags])).stdout);
    expect(listed.plugins).toMatchObject([{ plugin: 'words' }, { plugin: 'more', notes: [] }]);
    expect((await runCli(['status', ...flags])).stdout).toMatch(/more +1\.0\.0 +ready/);

    await writeFile(join(path, 'tools.mjs'), 'nonsense(');
    const reloaded = await runCli(['plugins', 'reload', 'words', ...flags]);
    expect(reloaded).toMatchObject({ exitCode: 1, stdout: expect.stringMatching(/1\.0\.0 goes on/) });

    const removed = await runCli(['plugins', 'remove', 'words', ...flags]);
    expect(removed).toMatchObject({ exitCode: 0, stdout: expect.not.stringMatching(/words +1\.0\.0/) });
    expect(await offered(client)).toEqual(['plugin.more.say']);
    await writeFile(file, 'plugins: { words: { trusted: 7 } }');
    expect(await client.refusal('plugin.reload', {})).toMatchObject({
      code: 'invalid_request',
      message: expect.stringMatching(/nothing was reloaded: .*dhaavak\.yaml:1:.*plugins\.words/),
    });
    await gateway.stop();
  }, 90_000);
});
