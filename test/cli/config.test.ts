/** Goal: an operator sees what a gateway would run with, and never a secret. Method: the command with files made for it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { localGateway } from '../support/gateway.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import { runCli } from './processes.ts';

async function fileWith(yaml: string): Promise<{ home: string; file: string }> {
  const home = await tempFolder();
  const file = join(home, 'dhaavak.yaml');
  await writeFile(file, yaml);
  return { home, file };
}

test('config check says that it is good, and from which file', async () => {
  const { home, file } = await fileWith('log: { level: warn }');
  expect(await runCli(['config', 'check', '--home', home])).toEqual({
    exitCode: 0,
    stdout: `${file}: good\n`,
    stderr: '',
  });
  const { stdout } = await runCli(['config', 'check', '--json', '--home', home]);
  expect(JSON.parse(stdout)).toEqual({ ok: true, file, problems: [] });
});

test('config check lists every problem, with 2 as exit code', async () => {
  const { home, file } = await fileWith('gateway:\n  prot: 1\nlogs: {}\n');
  const { exitCode, stdout, stderr } = await runCli(['config', 'check', '--home', home]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr.trim().split('\n')).toHaveLength(2);
  const json = await runCli(['config', 'check', '--json', '--home', home]);
  expect(json).toMatchObject({ exitCode: 2, stderr: '' });
  expect(JSON.parse(json.stdout)).toEqual({ ok: false, problems: stderr.trim().split('\n') });
  expect(stderr).toContain(file);
});

test('config check names the tools that are none, with the nearest', async () => {
  const { home, file } = await fileWith(
    'agents: { main: { tools: [calc, web.fech, mcp.notes.add], deny: [group:exce] } }\ntools: { rules: [{ tools: [exek], risk: ask }] }\n',
  );
  const { exitCode, stdout, stderr } = await runCli(['config', 'check', '--home', home]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  const lines = stderr.trim().split('\n');
  expect(lines).toHaveLength(4);
  expect(lines[0]).toContain(
    `${file}: agents.main.tools.1: there is no tool or group "web.fech"; did you mean "web.fetch"?`,
  );
  expect(stderr).toMatch(/mcp\.notes\.add.*\n.*did you mean "group:exec"\?\n.*did you mean "exec"\?/);
  const json = await runCli(['config', 'check', '--json', '--home', home]);
  expect(JSON.parse(json.stdout).problems).toHaveLength(4);
});

test('config check knows every tool that a gateway has', async () => {
  const gateway = await localGateway({ tools: { web: { search: { searxngUrl: 'http://127.0.0.1:1' } } } });
  const { tools } = await (await gateway.connect()).ask('session.tools', { session: MAIN });
  const names = tools.map(({ name }) => name);
  expect(names).toContain('sessions.spawn');
  const { home } = await fileWith(
    `agents: { main: { tools: ${JSON.stringify(names)} } }\ntools: { mcp: { servers: { a: { command: x } } }, deny: [mcp.a.b] }`,
  );
  expect(await runCli(['config', 'check', '--home', home])).toMatchObject({ exitCode: 0, stderr: '' });
});

test('config show has the defaults, the file, the variables and the flags in it, and no secret', async () => {
  const secret = 'a-secret-nobody-may-see';
  const { home } = await fileWith(
    `gateway: { token: ${secret} }\nmodels: { openai: { apiKey: ${secret}, baseUrl: 'http://me:${secret}@proxy/v1' } }`,
  );
  const env = { ANTHROPIC_API_KEY: secret, DHAAVAK_LOG_LEVEL: 'error' };
  const { exitCode, stdout, stderr } = await runCli(['config', 'show', '--home', home, '--port', '7'], env);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(stdout).not.toContain(secret);
  expect(parse(stdout)).toMatchObject({
    gateway: { host: '127.0.0.1', port: 7, token: '(set)' },
    models: {
      outputTokensMax: 8192,
      anthropic: { apiKey: '(set)' },
      openai: { apiKey: '(set)', baseUrl: 'http://(set)@proxy/v1' },
    },
    log: { level: 'error' },
  });
  const json = await runCli(['config', 'show', '--json', '--home', home, '--port', '7'], env);
  expect(JSON.parse(json.stdout)).toEqual(parse(stdout));
});
