/**
 * Goal: whatever happens to the process that is connected to servers, calls are answered and it comes back. Method: the main
 * thread's side of it, with the real process, which is stopped and killed.
 */
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { mcpSchema } from '../../../src/config/mcp.ts';
import { McpHost } from '../../../src/tools/mcp/host.ts';
import { HOSTILE_SERVER, isAlive } from '../../support/mcp-keeper.ts';
import { holds } from '../../support/wait.ts';

async function startHost(way: string, settings: object = {}, pingMs = 60_000) {
  const server = { command: process.execPath, args: [HOSTILE_SERVER, way], ...settings };
  const { servers } = mcpSchema.parse({ servers: { notes: server } });
  const offered: number[] = [];
  const host = new McpHost({
    servers,
    logLevel: 'silent',
    onOffer: ({ tools }) => offered.push(tools.length),
    log: pino({ level: 'silent' }),
    pingMs,
  });
  host.start();
  onTestFinished(() => host.stop());
  const isReady = () => host.statuses[0]?.state === 'ready';
  await holds(isReady);
  let lastId = 0;
  const call = (owner: object = host, id = `c${++lastId}`) =>
    host.call(owner, { id, server: 'notes', tool: 'poke', input: {} });
  return { host, call, isReady, offered };
}

describe('the process of MCP servers', () => {
  it('answers calls, and is gone when it was stopped', async () => {
    const { host, call, offered } = await startHost('plain');
    expect(await call()).toEqual({ text: 'poked', failed: false, foreign: true });
    expect((await host.call(host, { id: 'x', server: 'other', tool: 'poke', input: {} })).text).toContain(
      'no MCP server',
    );
    expect(offered.at(-1)).toBe(1);
    const { pid } = host;
    await host.stop();
    expect(isAlive(pid!)).toBe(false);
    expect((await call()).text).toContain('is not there');
  });

  it('that stands still is replaced, and calls are answered meanwhile', async () => {
    const { host, call, isReady } = await startHost('plain', { callTimeoutMs: 100 }, 300);
    const { pid } = host;
    process.kill(pid!, 'SIGSTOP');
    const { text, failed } = await call();
    expect(failed).toBe(true);
    expect(text).toContain('whether it did anything is not known');
    await holds(() => host.pid !== undefined && host.pid !== pid);
    await holds(isReady);
    expect((await call()).text).toBe('poked');
  });

  it('has the calls of an owner that is gone cancelled, and no others', async () => {
    const { host, call } = await startHost('never-answers');
    const gone = {};
    const theirs = [call(gone), call(gone)];
    const ours = call();
    host.forget(gone);
    for (const { text } of await Promise.all(theirs)) expect(text).toContain('cancelled');
    host.cancel('c3');
    expect((await ours).text).toContain('cancelled');
    host.cancel('c3');
  });
});
