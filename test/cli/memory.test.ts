/** Goal: what an agent remembers can be looked at and changed from a terminal and a script. Method: real processes, a real gateway. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../src/client/client.ts';
import { until } from '../support/wait.ts';
import { type GatewayProcess, runCli, startGatewayProcess } from './processes.ts';

let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGatewayProcess();
});
afterAll(() => gateway.stop());

const run = (...args: string[]) => runCli(['memory', ...args, '--url', gateway.url, '--token', gateway.token]);

test('a fact is saved, listed, found and forgotten', async () => {
  const saved = await run('save', '--reach', 'agent', 'The', 'shed', 'is', 'green.');
  expect(saved).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^It is saved as \w{26}\.\n$/) });
  const id = saved.stdout.slice(15, 41);
  expect((await run('save', '--reach', 'agent', 'the shed is green.')).stdout).toBe(`It was saved already as ${id}.\n`);
  const [head, row] = (await run('facts')).stdout.trimEnd().split('\n');
  expect(head).toMatch(/^ {2}fact +saved +owner +recalled by +text$/);
  expect(row?.trim().split(/ {2,}/)).toEqual([id, expect.stringMatching(/Z$/), 'main', 'agent', 'The shed is green.']);
  expect(JSON.parse((await run('facts', '--json')).stdout).facts).toMatchObject([{ fact: id, sender: 'operator' }]);
  const client = await connect({ url: gateway.url, token: gateway.token });
  const find = async () => (await client.request('memory.search', { query: 'green shed' })).results[0];
  await until(20_000, find, 'the fact to be found');
  await client.close();
  const found = await run('search', 'green shed', '--kind', 'fact', '--after', '2020-01-01');
  expect(found.stdout).toMatch(new RegExp(`fact by operator in agent:main:main\n${id}\n {2}The shed is green\\.\n$`));
  expect(await run('forget', id)).toMatchObject({ exitCode: 0, stdout: `The fact ${id} is forgotten.\n` });
  expect(await run('forget', id)).toMatchObject({ exitCode: 1, stdout: `There is no fact ${id}.\n` });
  expect((await run('facts')).stdout).toBe('No facts.\n');
}, 60_000);

test('wrong words are refused before a gateway is asked', async () => {
  const wrong = [
    ['search', 'x', '--kind', 'thought'],
    ['search', 'x', '--after', 'yesterday'],
    ['save', 'x', '--reach', 'world'],
  ];
  for (const args of wrong) expect(await run(...args)).toMatchObject({ exitCode: 2, stdout: '' });
});

test('how it is is shown for each agent, and it is made anew', async () => {
  expect(await run('rebuild', 'nobody')).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('no agent nobody'),
  });
  const anew = await run('rebuild');
  expect(anew).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('The memory of main is being made anew') });
  const [head, row] = (await run('status')).stdout.trimEnd().split('\n');
  expect(head).toMatch(/^ {2}memory of +backend +entries +pending +embedder +trouble *$/);
  expect(row).toMatch(/^ {2}main +local +\d+ +\d+ /);
  const { agents } = JSON.parse((await run('status', '--json')).stdout);
  expect(agents).toMatchObject([{ agent: 'main', backend: 'local' }]);
  const { stdout } = await runCli(['status', '--url', gateway.url, '--token', gateway.token]);
  expect(stdout).toContain('memory of');
});
