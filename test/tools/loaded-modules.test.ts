/** Goal: nobody pays for tools that are not called. Method: a real gateway, which writes down every module one of its threads loads. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';
import { tempFolder } from '../support/temp-folder.ts';

const NOTE = new URL('../support/note-modules.mjs', import.meta.url);
const LIBRARIES = /\/node_modules\/(undici|ipaddr\.js|playwright-core|linkedom|@mozilla\/readability|piscina)\//;

it('a gateway without plugins loads what names them, and nothing else of them', async () => {
  const home = await tempFolder();
  const file = join(home, 'modules.txt');
  const env = { NODE_OPTIONS: `--import ${NOTE.href}`, DHAAVAK_TEST_MODULES: file };
  const gateway = await gatewayProcess({ home, env });
  const client = await gateway.connect();
  await client.ask('plugin.list');
  await gateway.stop();
  const modules = (await readFile(file, 'utf8')).split('\n').filter((url) => url.includes('/src/plugins/'));
  expect([...new Set(modules.map((url) => url.split('/').at(-1)))]).toEqual(['names.ts']);
});

it('a gateway whose agent may use the web loads nothing of it before the first call', async () => {
  const home = await tempFolder();
  const file = join(home, 'modules.txt');
  const env = { NODE_OPTIONS: `--import ${NOTE.href}`, DHAAVAK_TEST_MODULES: file };
  const config = { agents: { main: { tools: ['calc', 'web.fetch', 'browser.open'] } } };
  const gateway = await gatewayProcess({ home, config, env });
  const client = await gateway.connect();
  await client.runEnd((await client.ask('message.send', { text: 'what is 6*7' })).message);
  await gateway.stop();
  const modules = (await readFile(file, 'utf8')).split('\n');
  expect(modules.some((url) => url.endsWith('/src/tools/web/tools.ts'))).toBe(true);
  expect(modules.filter((url) => LIBRARIES.test(url))).toEqual([]);
  expect(
    modules.filter((url) => /\/src\/tools\/(web\/(host|network|page)|browser\/(host|desk|proxy))\.ts$/.test(url)),
  ).toEqual([]);
});
