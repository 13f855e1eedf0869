/**
 * Goal: a desktop assistant talks to agents through `dhaavak mcp`, and is told in words what goes wrong. Method: the SDK's own
 * client starts the command, as assistants do, against a gateway.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { gatewayProcess, localGateway, type TestGateway } from '../support/gateway.ts';
import { HOSTILE_SERVER } from '../support/mcp-keeper.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import { holds, until } from '../support/wait.ts';
import { ENTRY, runCli } from './processes.ts';

type Gateway = Pick<TestGateway, 'url' | 'token'>;

async function assistant({ url, token }: Gateway) {
  const home = await tempFolder();
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [ENTRY, 'mcp', '--url', url, '--home', home],
    // By a variable: an argument could be read by everybody on the machine.
    env: { PATH: process.env.PATH ?? '', HOME: home, DHAAVAK_TOKEN: token },
    stderr: 'pipe',
  });
  const client = new Client({ name: 'assistant', version: '1' });
  await client.connect(transport);
  onTestFinished(() => client.close());
  return Object.assign(client, {
    pid: transport.pid as number,
    async use(name: string, args: object = {}, options: object = {}) {
      const result = await client.callTool({ name, arguments: { ...args } }, undefined, options);
      const [content] = result.content as { type: string; text: string }[];
      return { text: content?.text ?? '', isError: result.isError === true };
    },
  });
}

describe('dhaavak mcp', () => {
  it('offers its tools, described', async () => {
    const client = await assistant(await localGateway());
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(['send_message', 'read_history', 'list_sessions']);
    for (const { description, inputSchema } of tools) {
      expect(description).toBeTruthy();
      for (const property of Object.values(inputSchema.properties ?? {}))
        expect(property).toHaveProperty('description');
    }
    expect(tools.map(({ annotations }) => annotations?.readOnlyHint)).toEqual([false, true, true]);
  });

  it('sends a message, waits for the answer, reads the history and lists the sessions', async () => {
    const gateway = await localGateway();
    const client = await assistant(gateway);
    expect(await client.use('send_message', { text: 'what is 6*7' })).toEqual({ text: '6*7 = 42', isError: false });
    const history = JSON.parse((await client.use('read_history', { session: MAIN })).text);
    expect(history.entries.map(({ role }: { role: string }) => role)).toEqual([
      'user',
      'assistant',
      'tool',
      'assistant',
    ]);
    expect(history.entries.at(-1)).toMatchObject({ text: '6*7 = 42' });
    const older = await client.use('read_history', { session: MAIN, before: history.entries[1].seq, limit: 1 });
    expect(JSON.parse(older.text)).toMatchObject({ entries: [{ text: 'what is 6*7' }], more: false });
    const wire = await gateway.connect();
    const { session } = await wire.ask('session.create', { type: 'dm', user: 'ada' });
    expect((await client.use('send_message', { session: session.id, text: 'hello' })).isError).toBe(false);
    const dms = JSON.parse((await client.use('list_sessions', { type: 'dm' })).text);
    expect(dms.sessions).toMatchObject([{ id: session.id, user: 'ada' }]);
    expect(JSON.parse((await client.use('list_sessions')).text).sessions).toHaveLength(2);
  });

  it('says what is wrong', async () => {
    const gateway = await localGateway();
    const client = await assistant(gateway);
    expect(await client.use('read_history', { session: 'agent:main:dm:api:nobody' })).toMatchObject({ isError: true });
    expect(await client.use('send_message', { session: 'no key', text: 'hello' })).toMatchObject({ isError: true });
    const stranger = await assistant({ url: gateway.url, token: 'a-wrong-token-0123456789' });
    const refused = await stranger.use('send_message', { text: 'hello' });
    expect(refused).toMatchObject({ isError: true, text: expect.stringContaining('refuses the token') });
    expect(refused.text).not.toContain('a-wrong-token');
  });

  it('may do what its token may', async () => {
    const gateway = await localGateway();
    const admin = await gateway.connect();
    const { token } = await admin.ask('token.create', { name: 'reader', scopes: ['read'] });
    const client = await assistant({ url: gateway.url, token });
    expect((await client.use('list_sessions')).isError).toBe(false);
    expect(await client.use('send_message', { text: 'hello' })).toMatchObject({
      isError: true,
      text: expect.stringContaining('needs the scope write'),
    });
  });

  it('says how long an answer takes and why, and leaves it to the agent when it takes too long', async () => {
    const gateway = await localGateway({ agents: { main: { approve: ['calc'] } } });
    const client = await assistant(gateway);
    const progress: string[] = [];
    const onprogress = ({ message }: { message?: string }) => void progress.push(message ?? '');
    const late = await client.use('send_message', { text: 'what is 6*7', timeout_seconds: 1 }, { onprogress });
    expect(late).toMatchObject({
      isError: true,
      text: expect.stringMatching(/No answer within 1 s: .*dhaavak approve/),
    });
    expect(progress).toContain('the agent is at work');
    const wire = await gateway.connect();
    const { snapshot } = await wire.ask('subscribe', { session: MAIN });
    const approval = snapshot?.approvals?.[0]?.approval as string;
    await wire.ask('approval.resolve', { session: MAIN, approval, allow: true });
    await wire.event('run.end');
    expect((await client.use('read_history', { session: MAIN })).text).toContain('6*7 = 42');
  });

  it('cancels the run when the assistant cancels the call', async () => {
    const gateway = await localGateway({ agents: { main: { approve: ['calc'] } } });
    const client = await assistant(gateway);
    const wire = await gateway.connect();
    await wire.ask('subscribe', { session: MAIN });
    const abort = new AbortController();
    const call = client.use('send_message', { text: 'what is 6*7' }, { signal: abort.signal });
    await wire.event('approval.requested');
    abort.abort();
    await expect(call).rejects.toThrow();
    expect((await wire.event('run.end')).data.status).toBe('cancelled');
  });

  it('needs no gateway to start, and finds one again that was restarted', async () => {
    const home = await tempFolder();
    const first = await gatewayProcess({ home });
    const client = await assistant(first);
    expect((await client.use('send_message', { text: 'hello' })).isError).toBe(false);
    await first.stop();
    const isGone = async () => (await client.use('list_sessions')).text.includes('No gateway answers') || undefined;
    await until(10_000, isGone, 'it to notice');
    const second = await assistant(first);
    expect((await second.listTools()).tools).toHaveLength(3);
    await gatewayProcess({ home, port: Number(new URL(first.url).port) });
    for (const one of [client, second]) {
      expect((await one.use('read_history', { session: MAIN })).text).toContain('hello');
    }
  });

  it('ends with the assistant', async () => {
    const client = await assistant(await localGateway());
    const { pid } = client;
    await client.use('list_sessions');
    await client.close();
    await holds(() => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    });
  });
});

describe('dhaavak mcp restart', () => {
  it('has a server connected anew, and says which there are where it is none of them', async () => {
    const notes = { command: process.execPath, args: [HOSTILE_SERVER, 'plain'] };
    const gateway = await localGateway({ tools: { mcp: { servers: { notes } } } });
    const client = await gateway.connect();
    const status = async () => (await client.ask('status')).mcp[0];
    const before = await until(15_000, async () => ((await status())?.state === 'ready' ? status() : undefined), 'it');
    const flags = ['--url', gateway.url, '--token', gateway.token];
    expect(await runCli(['mcp', 'restart', 'notes', ...flags])).toEqual({
      exitCode: 0,
      stdout: 'notes is being connected: dhaavak status tells how it goes.\n',
      stderr: '',
    });
    await until(
      15_000,
      async () => {
        const now = await status();
        return (now?.state === 'ready' && now.since > (before?.since ?? 0)) || undefined;
      },
      'it to be connected anew',
    );
    const { exitCode, stderr } = await runCli(['mcp', 'restart', 'nots', ...flags]);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain('no MCP server is named nots; there are: notes');
  });
});
