/** Goal: `dhaavak pairing` and `dhaavak allow` do as their help says. Method: real processes against a real gateway. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Pairing } from '../../src/inbound/pairing.ts';
import { Store } from '../../src/storage/store.ts';
import { type GatewayProcess, runCli, startGatewayProcess } from './processes.ts';

const YAML = `
channels:
  telegram:
    default: { enabled: false, token: not-a-token }
`;

let gateway: GatewayProcess;
let store: Store;
let there: string[];

beforeAll(async () => {
  gateway = await startGatewayProcess({ yaml: YAML });
  store = new Store(gateway.home);
  there = ['--url', gateway.url, '--home', gateway.home];
});

afterAll(async () => {
  await store.close();
  await gateway.stop();
});

const run = (...args: string[]) => runCli([...args, ...there]);
const json = async (...args: string[]) => JSON.parse((await run(...args, '--json')).stdout);

/** Somebody writes to the bot and gets this code. */
async function ask(id: string, name: string): Promise<string> {
  const pairing = new Pairing({ table: store.pairing, now: Date.now });
  const answer = await pairing.request('telegram', 'default', { id, name, bot: false });
  if (answer.type !== 'told') throw new Error(answer.type);
  return answer.request.code;
}

test('pairing: shows who asks, lets in, refuses and takes back', async () => {
  expect((await run('pairing', 'list')).stdout).toBe('Nobody asks to be let in.\n');
  const code = await ask('4711', 'Ada \u001b[31mred\u001b[0m\nBob');
  const other = await ask('4712', 'Bob');
  const listed = await run('pairing', 'list', '--channel', 'telegram');
  expect(listed).toMatchObject({ exitCode: 0, stderr: '' });
  expect(listed.stdout).toMatch(new RegExp(`^ +${code} +telegram +default +4711 +Ada red Bob +60 min$`, 'm'));
  expect((await json('pairing', 'list')).pending).toHaveLength(2);
  const approved = await run('pairing', 'approve', 'telegram', code.toLowerCase());
  expect(approved).toEqual({
    exitCode: 0,
    stderr: '',
    stdout: 'Ada red Bob (4711 on telegram, account default) may talk to the bot now.\n',
  });
  expect(await run('pairing', 'approve', 'telegram', code)).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: 'Dhaavak: no request on telegram has this code: it was resolved, or is over an hour old\n',
  });
  expect(await json('pairing', 'reject', 'telegram', other)).toMatchObject({ user: '4712', name: 'Bob' });
  const after = await run('pairing', 'list');
  expect(after.stdout).toMatch(/^Nobody asks to be let in\.\n\nPaired:\n.*\n +telegram +default +4711 +Ada red Bob\n$/);
  expect((await json('pairing', 'list', '--channel', 'discord')).paired).toEqual([]);
  expect((await run('pairing', 'revoke', 'telegram', '4711')).stdout).toMatch(/must ask to be let in again\.\n$/);
  expect((await run('pairing', 'revoke', 'telegram', '4711', '--account', 'default')).exitCode).toBe(1);
});

test('allow: adds, shows and removes users and groups', async () => {
  expect((await run('allow', 'list')).stdout).toBe('No entries.\n');
  const added = await run('allow', 'add', 'telegram', 'group', '-1001234', '--account', 'default');
  expect(added).toEqual({
    exitCode: 0,
    stderr: '',
    stdout: 'The group -1001234 is on the list of telegram, account default.\n',
  });
  expect(await json('allow', 'add', 'telegram', 'user', '@ada')).toMatchObject({ grant: { peer: '@ada' } });
  const listed = await run('allow', 'list', '--channel', 'telegram');
  expect(listed.stdout).toMatch(/^ +channel +account +kind +who +name +since\n +telegram +default +group +-1001234 +2/);
  expect((await json('allow', 'list', '--kind', 'user')).grants).toHaveLength(1);
  const removed = await run('allow', 'remove', 'telegram', 'group', '-1001234');
  expect(removed.stdout).toBe('The group -1001234 is no longer on the list of telegram, account default.\n');
  const again = await run('allow', 'remove', 'telegram', 'group', '-1001234');
  expect(again).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('what the configuration lists stays') });
});

test('allow: wrong words are a usage error, an account that is not there a failure', async () => {
  const kind = await run('allow', 'add', 'telegram', 'people', '1');
  expect(kind).toMatchObject({ exitCode: 2, stderr: 'the kind of an entry is one of user, group, not people\n' });
  expect(await run('allow', 'list', '--kind', 'x')).toMatchObject({
    exitCode: 2,
    stderr: '--kind is one of paired, user, group, not x\n',
  });
  expect((await run('allow', 'add', 'telegram', 'user')).exitCode).toBe(2);
  expect(await run('allow', 'add', 'discord', 'user', '1')).toMatchObject({
    exitCode: 1,
    stderr: 'Dhaavak: the configuration has no channel discord\n',
  });
});
