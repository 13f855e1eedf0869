/**
 * Goal: the commands say and return what their help promises.
 * Method: real processes against a real gateway; a stand-in for the OpenAI API where the model must be slow or hostile.
 */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/client.ts';
import { VERSION } from '../../src/version.ts';
import { OPENAI_KEY, OPENAI_MODEL, startOpenAiServer } from '../support/openai-server.ts';
import type { ModelServer } from '../support/sse.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { type GatewayProcess, runCli, spawnCli, startGatewayProcess } from './processes.ts';

let gateway: GatewayProcess;
let models: ModelServer;
/** Flags with which a client finds the gateway. */
let there: string[];
/** The same for a session whose model is the stand-in. */
let scripted: string[];

beforeAll(async () => {
  models = await startOpenAiServer();
  const env = { OPENAI_API_KEY: OPENAI_KEY, OPENAI_BASE_URL: models.url };
  gateway = await startGatewayProcess({ yaml: 'models: { default: offline }', env });
  there = ['--url', gateway.url, '--home', gateway.home];
  await using client = await connect(gateway);
  const { session } = await client.request('session.create', { model: `openai/${OPENAI_MODEL}` });
  scripted = [...there, '--session', session.id];
});

beforeEach(() => models.reset());

afterAll(async () => {
  await gateway.stop();
  await models.close();
});

/** An address nobody listens on, a token, and a home without a gateway. */
const nowhere = ['--url', 'ws://127.0.0.1:1/ws', '--token', 'x'.repeat(16)];

describe('the command', () => {
  test('has help with examples and exit codes', async () => {
    const help = await runCli(['--help']);
    expect(help).toMatchObject({ exitCode: 0, stderr: '' });
    expect(help.stdout).toMatch(/start .*\n.*chat .*\n[\s\S]*send .*\n[\s\S]*status /);
    expect(help.stdout).toMatch(/Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 .*\n {2}3 /);
    for (const command of ['start', 'chat', 'send', 'status']) {
      expect((await runCli([command, '--help'])).stdout).toContain(`Examples:\n  dhaavak ${command}`);
    }
  });

  test('tells its version', async () => {
    expect(await runCli(['--version'])).toEqual({ exitCode: 0, stdout: `${VERSION}\n`, stderr: '' });
  });

  test.each([[['strat']], [['send']], [['status', '--jsn']], [['start', 'now']], [[]]])(
    'refuses %j as wrong usage',
    async (args) => {
      const { exitCode, stdout, stderr } = await runCli(args);
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
      expect(stderr).toMatch(/--help|Usage:/);
    },
  );
});

describe('start', () => {
  test('prints where it listens, its model, its token and what to do next', () => {
    expect(gateway.banner.replace(/\d+ ms/, '0 ms')).toBe(
      [
        `Dhaavak ${VERSION} listens on ${gateway.url} (ready in 0 ms)`,
        '  model   offline',
        `  token   ${gateway.home}/token`,
        `  next    npx dhaavak chat --home ${gateway.home} --port ${new URL(gateway.url).port}  (in another terminal)`,
        '',
      ].join('\n'),
    );
  });

  test('says why the model is the offline one', async () => {
    const other = await startGatewayProcess();
    expect(other.banner).toContain('model   offline (no ANTHROPIC_API_KEY or OPENAI_API_KEY set)\n');
    expect(await other.stop()).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('leaves with 0 on %s, also when it comes twice at once', async (signal) => {
    const other = await startGatewayProcess();
    other.process.kill(signal);
    other.process.kill(signal);
    expect(await other.finished).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'hurries on a second %s while a run goes on, and leaves with 0',
    async (signal) => {
      const env = { OPENAI_API_KEY: OPENAI_KEY, OPENAI_BASE_URL: models.url };
      const other = await startGatewayProcess({ yaml: `models: { default: openai/${OPENAI_MODEL} }`, env });
      models.script({ text: ['a', 'b'], fault: 'stall' });
      await using client = await connect(other);
      await client.request('message.send', { text: 'go on' });
      await models.request(0);
      other.process.kill(signal);
      const stoppedAt = performance.now();
      const second = setTimeout(() => other.process.kill(signal), 500);
      expect((await other.finished.finally(() => clearTimeout(second))).exitCode).toBe(0);
      expect(performance.now() - stoppedAt).toBeLessThan(8_000); // runs are given 10 s
    },
  );

  test('refuses a wrong configuration with one line a problem', async () => {
    const home = await tempFolder();
    await writeFile(join(home, 'dhaavak.yaml'), 'gateway:\n  prot: 1\nlogs: {}\n');
    expect(await runCli(['start', '--home', home, '--port', 'http'])).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: [
        '--port: gateway.port must be a number',
        `${home}/dhaavak.yaml:2:3: unknown key gateway.prot; did you mean gateway.port?`,
        `${home}/dhaavak.yaml:3:1: unknown key logs; did you mean log?`,
        '',
      ].join('\n'),
    });
  });

  test('refuses a token that others can read', async () => {
    const home = await tempFolder();
    await writeFile(join(home, 'token'), 'x'.repeat(32));
    await chmod(join(home, 'token'), 0o644);
    const { exitCode, stderr } = await runCli(['start', '--home', home, '--port', '0']);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 2,
      stderr: `the token file ${home}/token is open to other users: run chmod 600 '${home}/token'\n`,
    });
  });

  test('refuses a taken port and a taken data folder in one sentence each', async () => {
    const { port } = new URL(gateway.url);
    const silent = { DHAAVAK_LOG_LEVEL: 'silent' };
    const [samePort, sameHome] = await Promise.all([
      runCli(['start', '--home', await tempFolder(), '--port', port], silent),
      runCli(['start', '--home', gateway.home, '--port', '0'], silent),
    ]);
    expect(samePort).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringMatching(/^[^\n]*\d+[^\n]*\n$/) });
    expect(sameHome).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringContaining(gateway.home) });
    expect(sameHome.stderr.trim().split('\n')).toHaveLength(1);
  });
});

describe('a client command', () => {
  test.each([['send', 'hi'], ['status'], ['chat']])('%s says that nobody answers', async (...command) => {
    expect(await runCli([...command, ...nowhere])).toEqual({
      exitCode: 3,
      stdout: '',
      stderr: 'No gateway answers at ws://127.0.0.1:1/ws: start one with `npm start`\n',
    });
  });

  test('says that its token is wrong, or that there is none', async () => {
    const wrong = await runCli(['status', '--url', gateway.url, '--token', 'x'.repeat(16)]);
    expect(wrong).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('the gateway refuses the token') });
    const home = await tempFolder();
    const none = await runCli(['status', '--url', gateway.url, '--home', home]);
    expect(none).toMatchObject({ exitCode: 3, stderr: expect.stringContaining(`there is no token in ${home}`) });
  });

  test('finds the gateway by host, port and home, from flags or variables', async () => {
    const { port } = new URL(gateway.url);
    const flags = await runCli(['status', '--home', gateway.home, '--host', '0.0.0.0', '--port', port]);
    const variables = await runCli(['status'], { DHAAVAK_HOME: gateway.home, DHAAVAK_PORT: port });
    expect([flags.exitCode, variables.exitCode]).toEqual([0, 0]);
  });

  test('refuses an address that is none', async () => {
    const { exitCode, stderr } = await runCli(['status', '--url', 'nonsense', '--token', 'x'.repeat(16)]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: 'nonsense is not a WebSocket URL\n' });
  });
});

describe('send', () => {
  test('prints the answer alone on standard output, tool calls on standard error', async () => {
    expect(await runCli(['send', 'calc', '6*7', ...there])).toEqual({
      exitCode: 0,
      stdout: '6*7 = 42\n',
      stderr: '· calc {"expression":"6*7"} → 42\n',
    });
  });

  test('prints one JSON object with --json', async () => {
    const { exitCode, stdout } = await runCli(['send', '--json', 'calc 1+1', ...there]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      session: 'agent:main:main',
      message: expect.any(String),
      status: 'ok',
      text: '1+1 = 2',
      usage: expect.objectContaining({ inputTokens: expect.any(Number), outputTokens: expect.any(Number) }),
    });
  });

  test('fails when the run does, and says why', async () => {
    models.script({ status: 400, message: 'not today' }, { status: 400, message: 'not today' });
    const plain = await runCli(['send', 'hello', ...scripted]);
    expect(plain).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringMatching(/^· failed: .*not today/) });
    const { exitCode, stdout } = await runCli(['send', '--json', 'hello', ...scripted]);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'failed', error: { code: 'model_rejected' } });
  });

  test('fails with a sentence when the session does not exist', async () => {
    const { exitCode, stderr } = await runCli(['send', 'hello', ...there, '--session', 'agent:main:dm:api:nobody']);
    expect({ exitCode, lines: stderr.trim().split('\n').length }).toEqual({ exitCode: 1, lines: 1 });
  });

  test('lets nothing through that would command the terminal', async () => {
    const input = { expression: '\u001b[5m1+1' };
    models.script(
      { toolCalls: [{ name: 'calc', input }] },
      { text: ['\u001b]0;ti', 'tle\u0007 a\u001b[2J\u009bH', '\rb'] },
    );
    const { stdout, stderr } = await runCli(['send', 'hello', ...scripted]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(stdout).toContain('a');
  });

  test('leaves quietly when nobody reads on', async () => {
    const cli = spawnCli(['send', 'help', ...there]);
    cli.process.stdout.destroy();
    expect(await cli.finished).toMatchObject({ stderr: '' });
  });
});

describe('status', () => {
  test('prints the state of the gateway and a row for each shard', async () => {
    const { exitCode, stdout } = await runCli(['status', ...there]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      new RegExp(
        `^Dhaavak ${VERSION} at ${gateway.url}\\n` +
          '  up           \\d.*\\n  model        offline\\n  connections  \\d+\\n  memory       \\d+ MB\\n' +
          '  store        \\d+ MB; \\d+ MB left on its disk\\n\\n' +
          '  shard  state +sessions  running  queued  restarts\\n(  \\d+ +\\w+ +\\d+ +\\d+ +\\d+ +\\d+\\n)+' +
          '(\\n  memory of +backend[^]*)?$', // once its thread runs
      ),
    );
  });

  test('prints the same as JSON', async () => {
    const { stdout } = await runCli(['status', '--json', ...there]);
    expect(JSON.parse(stdout)).toMatchObject({ version: VERSION, model: 'offline', shards: [{ index: 0 }] });
  });
});

describe('chat from a pipe', () => {
  test('answers each line in turn, and leaves at the end', async () => {
    const { exitCode, stdout, stderr } = await runCli(['chat', ...there], {}, 'calc 1+1\n\n  calc 2+2  \n');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toBe('· calc {"expression":"1+1"} → 2\n1+1 = 2\n· calc {"expression":"2+2"} → 4\n2+2 = 4\n');
  });

  test('explains itself with /help and leaves with /quit', async () => {
    const { exitCode, stdout } = await runCli(['chat', ...there], {}, '/help\n/quit\ncalc 1+1\n');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^\/help[\s\S]*\/quit[\s\S]*Ctrl-C/);
    expect(stdout).not.toContain('1+1');
  });

  test('cancels the run on SIGINT, and goes on', async () => {
    models.script({ text: ['one ', 'two ', 'three ', 'four'], fault: 'stall' }, { text: ['answered'] });
    const chat = spawnCli(['chat', ...scripted]);
    chat.process.stdin.write('go on\n');
    await chat.shows(/one/);
    chat.process.kill('SIGINT');
    await chat.shows(/· cancelled\n/);
    chat.process.stdin.end('and now?\n');
    const { exitCode, stdout } = await chat.finished;
    expect(stdout).toMatch(/answered\n$/);
    expect(exitCode).toBe(1); // a run was cancelled
  });

  test('says so when the gateway goes away', async () => {
    const other = await startGatewayProcess();
    const chat = spawnCli(['chat', '--url', other.url, '--home', other.home]);
    chat.process.stdin.write('calc 1+1\n');
    await chat.shows(/1\+1 = 2\n/);
    await other.stop();
    expect(await chat.finished).toMatchObject({ exitCode: 1, stderr: 'The gateway closed the connection.\n' });
  });
});
