/** Goal: docs/mcp.md shows what can be used, and what cannot be is refused with what to do. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { masked } from '../../src/config/mask.ts';
import { createToolRegistry } from '../../src/tools/builtin/builtin.ts';
import { McpTools } from '../../src/tools/mcp/tools.ts';
import { tempFolder } from '../support/temp-folder.ts';

async function load(yaml: string, env: Record<string, string> = {}) {
  const file = join(await tempFolder(), 'dhaavak.yaml');
  await writeFile(file, yaml);
  return (await loadConfig({ flags: { config: file }, env })).config;
}

const server = (text: string) => load(`tools: {mcp: {servers: {notes: {${text}}}}}`);

it('the example of docs/mcp.md can be used, names its tools, and shows no secret', async () => {
  const page = await readFile(new URL('../../docs/mcp.md', import.meta.url), 'utf8');
  const yaml = /^```yaml\n(.*?)^```$/ms.exec(page)![1]!;
  const config = await load(yaml, { NOTES_KEY: 'canary-notes', WIKI_KEY: 'canary-wiki' });
  expect(config.tools.mcp.servers).toMatchObject({
    notes: { command: 'npx', env: { NOTES_KEY: 'canary-notes' }, trust: false, callTimeoutMs: 60_000 },
    wiki: { headers: { Authorization: 'Bearer canary-wiki' }, trust: true },
  });
  const tools = createToolRegistry(config);
  const services = { call: () => expect.unreachable(), cancel: () => {} };
  new McpTools(tools, Object.keys(config.tools.mcp.servers), services, pino({ level: 'silent' }));
  tools.check(config);
  expect(JSON.stringify(masked(config))).not.toContain('canary');
});

it.each([
  ['', 'needs either command'],
  ['command: a, url: "https://b/"', 'needs either command'],
  ['url: "https://b/", args: [c]', 'args, env and cwd are for a server with a command'],
  ['command: a, headers: {B: c}', 'headers are for a server with a url'],
  ['url: "file:///etc/passwd"', 'url'],
  ['command: a, comand: b', 'did you mean tools.mcp.servers.notes.command?'],
  ['command: a, callTimeoutMs: 0', 'must be at least 100'],
])('{%s} is refused', async (text, problem) => {
  await expect(server(text)).rejects.toThrow(problem);
});

it.each(['Notes', 'a_b', 'a.b', 'a--b', 'x'.repeat(25)])('the name %s is refused', async (name) => {
  await expect(load(`tools: {mcp: {servers: {${name}: {command: a}}}}`)).rejects.toThrow('MCP server');
});

it('an empty variable is as if it were not listed, and the folder is absolute', async () => {
  const reference = '$'.concat('{NOT_SET:-}');
  const config = await server(`command: a, cwd: ~/notes, env: {A: "${reference}", B: c}`);
  expect(config.tools.mcp.servers.notes?.env?.A).toBeUndefined();
  expect(config.tools.mcp.servers.notes?.cwd).toMatch(/^\/.*\/notes$/);
});
