/**
 * Scorecard row 13: a sandbox host dies in the middle of a call.
 *
 * Method: real hosts, killed by a signal to the process that runs the isolates, while programs of several sessions are in
 * it. A program whose host dies runs again on a host of its own, with the outcomes of the calls it had made; only one
 * whose second host dies too fails.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CallOutcome, Result } from '../../src/tools/sandbox/execution.ts';
import type { SandboxPool } from '../../src/tools/sandbox/pool.ts';
import { innermost, met, returned, runProgram, sandboxPool } from '../support/sandbox.ts';

/** How long after a death its call may take to fail. */
const FAILS_WITHIN_MS = 1_000;

/** Kills every process of the pool that runs isolates. */
function killHosts(pool: SandboxPool, signal: NodeJS.Signals): void {
  for (const { pid } of pool.hosts) if (pid !== undefined) process.kill(innermost(pid), signal);
}

/** A tool that counts how often it is called with each input, and answers when it is told to. */
function tool() {
  const calls = new Map<string, number>();
  const waiting: (() => void)[] = [];
  return {
    calls,
    waiting,
    release: () => {
      for (const resolve of waiting.splice(0)) resolve();
    },
    call: async (name: string, input: unknown): Promise<CallOutcome> => {
      const key = `${name} ${JSON.stringify(input)}`;
      calls.set(key, (calls.get(key) ?? 0) + 1);
      if ((input as { waits?: boolean }).waits) await new Promise<void>((resolve) => waiting.push(resolve));
      return { text: JSON.stringify(key), json: true, failed: false };
    },
  };
}

describe.each(['SIGSEGV', 'SIGKILL'] as const)('a host that dies of %s', (signal) => {
  it('harms no program on it: each goes on elsewhere, and no tool is called twice', async () => {
    const { pool, warnings } = sandboxPool({ hostsMax: 2 });
    const { calls, call, release, waiting } = tool();
    const source = (n: number) =>
      `const a = await look({ n: ${n} }); const b = await look({ n: ${n}, waits: true }); return [a, b].length + ${n};`;
    const programs = [10, 20, 30].map((n) => returned(runProgram(pool, source(n), { call })));
    await met(() => waiting.length === 3);
    killHosts(pool, signal);
    await met(() => warnings.length === 1);
    release();
    expect(await Promise.all(programs)).toEqual(['12', '22', '32']);
    expect([...calls.values()]).toEqual([1, 1, 1, 1, 1, 1]);
    expect(pool.hosts.length).toBeGreaterThan(0);
    expect(await returned(runProgram(pool, 'return 1'))).toBe('1');
  });

  it('fails a call whose second host dies too, within a second, and no other', async () => {
    const { pool, warnings } = sandboxPool({ hostsMax: 2 });
    const { call, waiting, release } = tool();
    const source = 'await look({ n: 1 }); await look({ waits: true }); return 1;';
    const fails = runProgram(pool, source, { call });
    await met(() => waiting.length === 1);
    killHosts(pool, signal);
    await met(() => warnings.length === 1 && pool.hosts.some(({ running }) => running === 1));
    const other = returned(runProgram(pool, 'await sleep(200); return "unharmed"'));
    await met(() => pool.hosts.filter(({ running }) => running === 1).length === 2);
    // The one that runs again has its host for itself.
    const alone = pool.hosts[0]?.pid as number;
    process.kill(innermost(alone), signal);
    const killedAt = performance.now();
    const { ending, calls } = await fails;
    expect(performance.now() - killedAt).toBeLessThan(FAILS_WITHIN_MS);
    expect(ending).toMatchObject({ status: 'lost' });
    expect(calls.map(({ outcome }) => outcome?.failed)).toEqual([false, undefined]);
    expect(await other).toBe('unharmed');
    expect(await returned(runProgram(pool, 'return 1'))).toBe('1');
    release();
  });
});

describe('a program that runs again', () => {
  /** Runs `source` and kills its host once it waits for its tool; then lets the tool answer. */
  async function interrupted(source: string): Promise<{ result: Result; calls: Map<string, number> }> {
    const { pool, warnings } = sandboxPool();
    const { calls, call, release, waiting } = tool();
    const result = runProgram(pool, source, { call });
    await met(() => waiting.length === 1);
    killHosts(pool, 'SIGKILL');
    await met(() => warnings.length === 1);
    release();
    return { result: await result, calls };
  }

  it('prints once', async () => {
    const { result } = await interrupted('console.log("once"); await look({ waits: true }); console.log("then");');
    expect(result.console).toBe('once\nthen\n');
  });

  it('is lost when it does something else than before, and does nothing', async () => {
    const source = 'await look({ at: Math.random() }); await look({ waits: true });';
    const { result, calls } = await interrupted(source);
    expect(result.ending).toMatchObject({
      status: 'lost',
      text: expect.stringContaining('something else than before'),
    });
    expect([...calls.keys()].filter((key) => key.includes('at'))).toHaveLength(1);
  });

  it('is lost, with the calls it had made, when no host can be started for that', async () => {
    const { pool, warnings } = sandboxPool();
    const { call, waiting, release } = tool();
    const source = 'await look({ n: 1 }); await look({ waits: true });';
    const result = runProgram(pool, source, { call });
    await met(() => waiting.length === 1);
    killHosts(pool, 'SIGKILL');
    // The next host must end before it is ready, so nothing here may wait for longer than a turn.
    while (warnings.length === 0 || pool.hosts.length === 0) await new Promise((resolve) => setImmediate(resolve));
    process.kill(-(pool.hosts[0]?.pid as number), 'SIGKILL');
    const { ending, calls } = await result;
    expect(ending).toMatchObject({
      status: 'lost',
      text: expect.stringContaining('its process died, and it was not run again: the sandbox could not be started'),
    });
    expect(calls.map(({ outcome }) => outcome?.failed)).toEqual([false, undefined]);
    release();
  });
});

it('a host that stands still is killed, and its programs go on elsewhere', async () => {
  const { pool, warnings } = sandboxPool();
  const { call, waiting, release } = tool();
  const program = returned(runProgram(pool, 'return await look({ waits: true })', { call }));
  await met(() => waiting.length === 1);
  killHosts(pool, 'SIGSTOP');
  await met(() => warnings.length === 1);
  expect(warnings[0]).toMatchObject({ why: 'it did not answer any more' });
  release();
  expect(await program).toBe('look {"waits":true}');
});

it.each(['process', 'thread'])('hosts end with the %s that started them', async (what) => {
  const script = `
    import { openPool, runProgram } from '${new URL('../support/sandbox.ts', import.meta.url).href}';
    const { pool } = openPool();
    await runProgram(pool, 'return 1');
    console.log(JSON.stringify(pool.hosts.map(({ pid }) => pid)));
    await runProgram(pool, 'await sleep(60_000)');`;
  const flags = ['--no-warnings', '--input-type=module-typescript', '--eval'];
  const inThread = `
    import { Worker } from 'node:worker_threads';
    const source = 'data:text/javascript,' + encodeURIComponent(${JSON.stringify(script)});
    const worker = new Worker(new URL(source));
    process.stdin.once('data', () => worker.terminate());`;
  const child = spawn(process.execPath, [...flags, what === 'thread' ? inThread : script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const line = await new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(String(data))));
  const pids = (JSON.parse(line) as number[]).map(innermost);
  expect(pids).toHaveLength(1);
  if (what === 'thread') child.stdin.write('end');
  else child.kill('SIGKILL');
  await met(() => pids.every((pid) => !isThere(pid)));
});

function isThere(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}
