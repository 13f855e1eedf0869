/** Goal: `dhaavak tokens` makes, shows and ends tokens as its help says. Method: real processes against a real gateway. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/client.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { type GatewayProcess, runCli, startGatewayProcess } from './processes.ts';

let gateway: GatewayProcess;
let there: string[];

beforeAll(async () => {
  gateway = await startGatewayProcess({});
  there = ['--url', gateway.url, '--home', gateway.home];
});

afterAll(() => gateway.stop());

describe('tokens', () => {
  test('are made with scopes, shown once, listed without secrets, rotated and revoked', async () => {
    const made = await runCli(['tokens', 'create', 'phone', '--scopes', 'read,write', ...there]);
    expect(made).toMatchObject({ exitCode: 0, stderr: '' });
    const token = made.stdout.trim();
    expect(token).toMatch(/^[\w-]{43}$/);
    const client = await connect({ url: gateway.url, token });
    const listed = await runCli(['tokens', 'list', ...there]);
    expect(listed.stdout).toMatch(/^phone +read,write +made 2/);
    expect(listed.stdout).not.toContain(token);
    const rotated = JSON.parse((await runCli(['tokens', 'rotate', 'phone', '--json', ...there])).stdout);
    expect(rotated).toEqual({ name: 'phone', token: expect.stringMatching(/^[\w-]{43}$/), closed: 1 });
    expect((await client.closed).code).toBe(4401);
    const asPhone = await runCli(['tokens', 'list', ...there, '--token', rotated.token]);
    expect(asPhone).toEqual({ exitCode: 1, stdout: '', stderr: 'Dhaavak: token.list needs the scope admin\n' });
    const revoked = await runCli(['tokens', 'revoke', 'phone', ...there]);
    expect(revoked.stdout).toBe('revoked phone; connections closed: 0\n');
    expect((await runCli(['tokens', 'list', '--json', ...there])).stdout).toBe('[]\n');
  });

  test('need scopes that exist, and a name that does', async () => {
    expect((await runCli(['tokens', 'create', 'x', ...there])).exitCode).toBe(2);
    const unknown = await runCli(['tokens', 'create', 'x', '--scopes', 'root', ...there]);
    expect(unknown).toMatchObject({ exitCode: 2, stderr: '--scopes takes read, write, admin, with commas\n' });
    const nobody = await runCli(['tokens', 'revoke', 'nobody', ...there]);
    expect(nobody).toMatchObject({ exitCode: 1, stderr: 'Dhaavak: there is no token nobody\n' });
  });

  test('password: a gateway of that mode starts with what came on standard input, and not before', async () => {
    const home = await tempFolder();
    const set = (text: string) => runCli(['tokens', 'password', '--home', home], {}, text);
    expect((await set('short\n')).exitCode).toBe(2);
    expect((await set('')).exitCode).toBe(2);
    const done = await set('a good long password\nand more\n');
    expect(done).toMatchObject({ exitCode: 0, stderr: '' });
    expect(done.stdout).toContain(home);
  });
});
