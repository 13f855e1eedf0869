/**
 * Goal: sessions can be listed, shown, exported, reset and deleted from a terminal and from a script.
 * Method: real processes; a gateway that answers from a script for what changes or lists sessions, the real one for the rest.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/client.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { Session } from '../../src/protocol/messages.ts';
import { collect } from '../client/collect.ts';
import { type Handler, scriptedGateway } from '../support/scripted-gateway.ts';
import { MAIN } from '../support/valid-requests.ts';
import { type GatewayProcess, runCli, startGatewayProcess } from './processes.ts';

function sessionOf(user: string): Session {
  return {
    id: `agent:main:dm:api:${user}`,
    agent: 'main',
    type: 'dm',
    channel: 'api',
    user,
    model: null,
    thinkingLevel: 'off',
    tokensUsed: 12,
    costUsed: 0,
    title: null,
    followUp: null,
    createdAt: 0,
    lastActive: 0,
  };
}

async function scripted(handlers: Record<string, Handler>) {
  const gateway = await scriptedGateway(handlers);
  const { url, token, requests } = gateway;
  return { requests, run: (...args: string[]) => runCli(['sessions', ...args, '--url', url, '--token', token]) };
}

/** Pages of two. */
const pages: Handler = ({ cursor }) =>
  cursor === undefined
    ? { sessions: [sessionOf('ada'), sessionOf('bob')], cursor: 'bob' }
    : { sessions: [sessionOf('cy\u001b[2J')] };

describe('sessions list', () => {
  test('prints a row for each session of every page, and nothing that commands the terminal', async () => {
    const { run, requests } = await scripted({ 'session.list': pages });
    const { exitCode, stdout } = await run('list', '--type', 'dm');
    expect(exitCode).toBe(0);
    const rows = stdout.trimEnd().split('\n');
    expect(rows[0]).toMatch(/^ {2}session +model +tokens +last active$/);
    expect(rows.slice(1).map((row) => row.split(/ {2,}/)[1])).toEqual(
      ['ada', 'bob', 'cy'].map((user) => `agent:main:dm:api:${user}`),
    );
    expect(requests.map(({ data }) => data)).toEqual([{ type: 'dm' }, { type: 'dm', cursor: 'bob' }]);
  });

  test('prints one JSON object with --json, and no more than --limit', async () => {
    const { run } = await scripted({ 'session.list': pages });
    expect(JSON.parse((await run('list', '--json')).stdout).sessions).toHaveLength(3);
    expect(JSON.parse((await run('list', '--json', '--limit', '1')).stdout)).toEqual({ sessions: [sessionOf('ada')] });
    expect(await run('list', '--limit', 'x')).toMatchObject({
      exitCode: 2,
      stderr: '--limit x is not a whole number from 1 up\n',
    });
  });
});

describe('sessions reset and delete', () => {
  test('change the session that is named', async () => {
    const { run, requests } = await scripted({
      'session.reset': () => ({ session: sessionOf('ada') }),
      'session.delete': () => ({ session: sessionOf('ada').id }),
    });
    const key = sessionOf('ada').id;
    expect(await run('reset', key)).toEqual({ exitCode: 0, stdout: `${key} begins anew.\n`, stderr: '' });
    expect(await run('delete', key, '--yes')).toEqual({ exitCode: 0, stdout: `${key} is deleted.\n`, stderr: '' });
    expect(JSON.parse((await run('delete', key, '--yes', '--json')).stdout)).toEqual({ session: key, deleted: true });
    expect(requests.map(({ type, data }) => [type, data.session])).toEqual([
      ['session.reset', key],
      ['session.delete', key],
      ['session.delete', key],
    ]);
  });

  test('delete only when told twice', async () => {
    const { run, requests } = await scripted({ 'session.delete': () => ({}) });
    const { exitCode, stderr } = await run('delete', MAIN);
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringMatching(/^[^\n]+--yes\n$/) });
    expect(requests).toEqual([]);
  });

  test('say in a sentence what the gateway refuses', async () => {
    const refuse = () => {
      throw new DhaavakError('not_found', 'there is no such session', { param: 'data.session' });
    };
    const { run } = await scripted({ 'session.reset': refuse });
    expect(await run('reset', 'nobody')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'Dhaavak: there is no such session; `dhaavak sessions list` shows which sessions there are\n',
    });
    expect((await run('list')).stderr).toMatch(
      /^Dhaavak: [^\n]+; the gateway is older than this command: update it\n$/,
    );
  });
});

describe('sessions show and search', () => {
  let gateway: GatewayProcess;
  let there: string[];

  beforeAll(async () => {
    gateway = await startGatewayProcess();
    there = ['--url', gateway.url, '--home', gateway.home];
    await using client = await connect(gateway);
    for (const text of ['calc 6*7', 'hello']) await collect(client.run({ text }));
  });

  afterAll(async () => {
    await gateway.stop();
  });

  test('show prints every field, or JSON', async () => {
    const { exitCode, stdout } = await runCli(['sessions', 'show', MAIN, ...there]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(new RegExp(`^${MAIN}\\n[\\s\\S]* {2}type +main\\n[\\s\\S]* {2}createdAt +\\d{4}-`));
    const json = await runCli(['sessions', 'show', MAIN, '--json', ...there]);
    expect(JSON.parse(json.stdout).session).toMatchObject({ id: MAIN, type: 'main' });
  });

  test('search prints where words stand, or JSON', async () => {
    const { stdout } = await runCli(['sessions', 'search', MAIN, 'CALC 6', ...there]);
    expect(stdout).toMatch(/^1 {2}\d{4}-\S+Z {2}user {2}calc 6\*7\n/);
    const json = await runCli(['sessions', 'search', MAIN, '42', '--role', 'tool', '--json', ...there]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      session: MAIN,
      damaged: 0,
      entries: [{ role: 'tool', text: '42' }],
    });
    expect((await runCli(['sessions', 'search', MAIN, 'nowhere', ...there])).stdout).toBe('Nothing was found.\n');
    const wrong = await runCli(['sessions', 'search', MAIN, 'x', '--since', 'soon', ...there]);
    expect(wrong).toMatchObject({ exitCode: 2, stderr: '--since soon is no time such as 2026-01-31\n' });
  });

  test('show says that there is no such session', async () => {
    const { exitCode, stderr } = await runCli(['sessions', 'show', 'agent:main:dm:api:nobody', ...there]);
    expect(exitCode).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});

test('the help of each has examples', async () => {
  const commands = ['list', 'show', 'reset', 'delete', 'search', 'prune'];
  const helps = await Promise.all(commands.map((command) => runCli(['sessions', command, '--help'])));
  helps.forEach(({ stdout }, index) => {
    expect(stdout).toContain(`Examples:\n  dhaavak sessions ${commands[index]}`);
  });
});
