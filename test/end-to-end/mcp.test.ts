/**
 * Goal: agents call the tools of MCP servers under policy, and no server, nor the process that is connected to them, can hold
 * up a conversation or outlive the gateway. Method: a gateway as a process, with servers as processes of its own.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { runCli } from '../cli/processes.ts';
import {
  type ConfigInput,
  type GatewayProcess,
  gatewayProcess,
  localGateway,
  refusedGateway,
} from '../support/gateway.ts';
import { HOSTILE_SERVER, isAlive, SDK_SERVER } from '../support/mcp-keeper.ts';
import { startHttpMcpServer } from '../support/mcp-server.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import { until } from '../support/wait.ts';
import type { WireClient } from '../support/wire-client.ts';

type Servers = NonNullable<NonNullable<NonNullable<ConfigInput['tools']>['mcp']>['servers']>;
const SDK = { command: process.execPath, args: [SDK_SERVER], trust: true };
const hostile = (...args: string[]) => ({ command: process.execPath, args: [HOSTILE_SERVER, ...args], trust: true });

const configured = (servers: Servers, tools: string[]): ConfigInput => ({
  agents: { main: { tools: ['calc', ...tools] } },
  tools: { mcp: { servers } },
});

async function ready(client: WireClient, server: string, state = 'ready'): Promise<void> {
  const find = async () => {
    const { mcp } = await client.ask('status');
    return mcp.find((one) => one.server === server)?.state === state || undefined;
  };
  await until(20_000, find, `${server} to be ${state}`);
}

/** Has the offline model call a tool, and returns how that ended. */
async function called(client: WireClient, tool: string, input: unknown = {}) {
  const { message, session } = await client.ask('message.send', { text: `call ${tool} ${JSON.stringify(input)}` });
  await client.runEnd(message);
  const run = client.events('run.start').find(({ data }) => data.message === message)?.data.run;
  const end = client.events('tool.end').find(({ data }) => data.run === run);
  return { session, output: end?.data.output ?? '', failed: end?.data.failed };
}

/** The pids that servers wrote into the file. */
async function pidsIn(file: string, count: number): Promise<number[]> {
  const read = async () => {
    const pids = (await readFile(file, 'utf8').catch(() => '')).trim().split('\n').filter(Boolean).map(Number);
    return pids.length >= count ? pids : undefined;
  };
  return until(20_000, read, `${count} programs to start`);
}

const allEnd = (pids: number[]) => until(15_000, async () => !pids.some(isAlive) || undefined, `${pids} to end`);

async function parentOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

describe('tools of MCP servers', () => {
  it('are called by agents that have them, over both transports, and their results marked as untrusted', async () => {
    const http = await startHttpMcpServer();
    const { connect, stop } = await localGateway(
      configured({ notes: SDK, web: { url: http.url, trust: true } }, ['mcp.notes.*', 'mcp.web.add_note']),
    );
    const client = await connect();
    await Promise.all([ready(client, 'notes'), ready(client, 'web')]);
    const { output, failed } = await called(client, 'mcp.notes.add_note', { text: 'milk' });
    expect(failed).toBe(false);
    expect(output).toMatch(
      /^\[untrusted content from mcp\.notes\.add_note, .*mark (\w+): .*\]\nadded: milk\n\[\1: end/,
    );
    expect((await called(client, 'mcp.web.add_note', { text: 'tea' })).output).toContain('added: tea');
    expect(http.notes).toEqual(['added tea']);
    // Not in the agent's list.
    const other = await called(client, 'mcp.web.environment');
    expect(other.failed).not.toBe(false);
    // A failure in the server's words is marked as well.
    expect(await called(client, 'mcp.notes.fail')).toMatchObject({
      failed: true,
      output: expect.stringMatching(/untrusted content.*\nit went wrong\n/),
    });
    await stop();
    await http.stop();
  });

  it('wait for an operator where the server is not trusted', async () => {
    const { connect } = await localGateway(configured({ notes: { ...SDK, trust: false } }, ['mcp.notes.add_note']));
    const client = await connect();
    await ready(client, 'notes');
    const { message } = await client.ask('message.send', { text: 'call mcp.notes.add_note {"text":"milk"}' });
    const { data } = await client.event('approval.requested');
    expect(data).toMatchObject({ name: 'mcp.notes.add_note', input: { text: 'milk' } });
    await client.ask('approval.resolve', { session: MAIN, approval: data.approval, allow: true });
    await client.runEnd(message);
    expect(client.events('tool.end')[0]?.data.output).toContain('added: milk');
  });

  it('come when their server does, which a start does not wait for; a server that is not configured is refused', async () => {
    const config = configured(
      { down: { url: 'http://127.0.0.1:9/mcp' }, broken: { command: 'no-such-program' }, notes: SDK },
      ['mcp.down.*', 'mcp.broken.search', 'mcp.notes.*', 'group:mcp'],
    );
    const { connect, url, token } = await localGateway(config);
    const client = await connect();
    await ready(client, 'down', 'waiting');
    await ready(client, 'notes');
    expect((await called(client, 'mcp.notes.add_note', { text: 'a' })).failed).toBe(false);
    const flags = ['--url', url, '--token', token];
    const { stdout } = await runCli(['status', ...flags]);
    expect(stdout).toMatch(/mcp server +state +tools/);
    expect(stdout).toMatch(/notes +ready +8 +1 +0/);
    expect(stdout).toMatch(/down +waiting +0 .*fetch failed/);
    const home = await tempFolder();
    const { code, stderr } = await refusedGateway({ home, config: configured({ notes: SDK }, ['mcp.nots.*']) });
    expect(code).not.toBe(0);
    expect(stderr).toContain('there is no tool or group "mcp.nots.*"');
  });

  it('are given nothing of the secrets that the gateway has', async () => {
    const env = {
      DHAAVAK_LOG_LEVEL: 'trace',
      ANTHROPIC_API_KEY: 'canary-api-key',
      OPENAI_API_KEY: 'canary-other-key',
      NOTES_KEY: 'canary-notes',
    };
    const reference = '$'.concat('{NOTES_KEY}');
    const home = await tempFolder();
    const gateway = await gatewayProcess({
      home,
      env,
      config: {
        ...configured({ notes: { ...SDK, env: { NOTES_KEY: reference } } }, ['mcp.notes.*']),
        models: { default: 'offline' },
      },
    });
    const client = await gateway.connect();
    await ready(client, 'notes');
    const { output } = await called(client, 'mcp.notes.environment');
    expect(output).toContain('"NOTES_KEY":"[redacted]"');
    expect(output).not.toMatch(/canary|ANTHROPIC/);
    const { stdout } = await runCli(['config', 'show', '--home', home], env);
    expect(stdout).toContain('NOTES_KEY');
    await gateway.stop();
    expect(stdout + gateway.output.stdout + gateway.output.stderr).not.toContain('canary');
  });
});

describe('a server that hangs', () => {
  it('stalls no other session, and its call ends with the run', async () => {
    const { connect } = await localGateway({
      ...configured({ hang: hostile('never-answers') }, ['mcp.hang.*']),
      shards: { count: 1 },
    });
    const client = await connect();
    await ready(client, 'hang');
    const stuck = await client.ask('message.send', { text: 'call mcp.hang.poke {}' });
    await client.event('tool.start');
    const { session } = await client.ask('session.create', { type: 'dm', user: 'ada' });
    const other = await client.ask('message.send', { session: session.id, text: 'what is 6*7' });
    expect((await client.runEnd(other.message)).data.status).toBe('ok');
    await client.ask('message.cancel', { session: MAIN });
    expect((await client.runEnd(stuck.message)).data.status).toBe('cancelled');
    const next = await client.ask('message.send', { text: 'what is 6*7' });
    expect((await client.runEnd(next.message)).data.status).toBe('ok');
    expect((await client.ask('status')).mcp).toMatchObject([{ state: 'ready', calls: 1, failed: 1 }]);
  });
});

describe('a shard that dies during a call', () => {
  it('has the call cancelled at its server, and the one that replaces it knows the tools at once', async () => {
    const http = await startHttpMcpServer();
    const workers: Worker[] = [];
    const listener = (worker: Worker) => void workers.push(worker);
    process.on('worker', listener);
    const servers = { web: { url: http.url, trust: true } };
    const gateway = await localGateway({ ...configured(servers, ['mcp.web.*']), shards: { count: 1 } });
    process.off('worker', listener);
    const client = await gateway.connect();
    await ready(client, 'web');
    const { message } = await client.ask('message.send', { text: 'call mcp.web.wait {}' });
    await until(10_000, async () => http.notes.includes('waiting') || undefined, 'the call');
    await workers[0]!.terminate();
    await until(10_000, async () => http.notes.includes('cancelled') || undefined, 'the cancellation');
    // The call is not made again: nobody knows what the first one did.
    await client.runEnd(message);
    expect(http.notes).toEqual(['waiting', 'cancelled']);
    expect((await called(client, 'mcp.web.add_note', { text: 'after' })).output).toContain('added: after');
    await gateway.stop();
    await http.stop();
  });
});

describe('the programs of servers', () => {
  async function withPrograms(): Promise<{
    gateway: GatewayProcess;
    pids: number[];
    client: WireClient;
    file: string;
  }> {
    const file = join(await tempFolder(), 'pids');
    const servers = { stays: hostile('stays', file), children: hostile('children', file), notes: SDK };
    const gateway = await gatewayProcess({ config: configured(servers, ['group:mcp']) });
    const client = await gateway.connect();
    for (const name of Object.keys(servers)) await ready(client, name);
    return { gateway, client, pids: await pidsIn(file, 3), file };
  }

  it('end with the gateway, whatever they do against it', async () => {
    const { gateway, pids } = await withPrograms();
    await gateway.stop();
    await allEnd(pids);
  });

  it('end with a gateway that is killed', async () => {
    const { gateway, pids } = await withPrograms();
    await gateway.kill();
    await allEnd(pids);
  });

  it('end with the process that is connected to them, which is started again; nothing else notices', async () => {
    const { gateway, client, pids, file } = await withPrograms();
    const host = await parentOf(pids[0]!);
    expect(await parentOf(host)).toBe(gateway.pid);
    const { message } = await client.ask('message.send', { text: 'call mcp.notes.wait {}' });
    await client.event('tool.start');
    process.kill(host, 'SIGKILL');
    expect((await client.runEnd(message)).data.status).toBe('ok');
    const end = client.events('tool.end')[0]?.data;
    expect(end).toMatchObject({
      failed: true,
      output: expect.stringContaining('whether it did anything is not known'),
    });
    await allEnd(pids);
    await ready(client, 'notes');
    expect((await called(client, 'mcp.notes.add_note', { text: 'again' })).output).toContain('added: again');
    const again = (await pidsIn(file, 6)).slice(3);
    await gateway.stop();
    await allEnd(again);
  });
});
