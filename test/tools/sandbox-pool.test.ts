import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { CallOutcome } from '../../src/tools/sandbox/execution.ts';
import { findBubblewrap } from '../../src/tools/sandbox/launch.ts';
import { innermost, met, openPool, returned, runProgram, sandboxPool } from '../support/sandbox.ts';

const answer = (text: string): CallOutcome => ({ text, json: false, failed: false });

/** Calls that wait until they are let go, by their input's `n`. */
function gate() {
  const open = new Map<number, (outcome: CallOutcome) => void>();
  return {
    open,
    call: (_name: string, input: unknown) =>
      new Promise<CallOutcome>((resolve) => open.set((input as { n: number }).n, resolve)),
  };
}

describe('a sandbox pool', () => {
  it('starts a host with the first program, keeps it for the next, and ends it when it has been idle', async () => {
    const { pool } = sandboxPool({ idleMs: 200 });
    expect(pool.hosts).toEqual([]);
    expect(await returned(runProgram(pool, 'return 1'))).toBe('1');
    const [first] = pool.hosts;
    expect(await returned(runProgram(pool, 'return 2'))).toBe('2');
    expect(pool.hosts).toEqual([first]);
    await met(() => pool.hosts.length === 0);
  });

  it('gives every program an isolate of its own', async () => {
    const { pool } = sandboxPool({ hostsMax: 1 });
    await runProgram(pool, 'globalThis.left = 1; Array.prototype.left = 1;');
    expect(await returned(runProgram(pool, 'return [typeof left, typeof [].left]'))).toBe('["undefined","undefined"]');
  });

  it('starts another host when the first is full, and lets the rest wait', async () => {
    const { pool } = sandboxPool({ hostsMax: 2, programsPerHost: 1 });
    const { open, call } = gate();
    const results = [1, 2, 3].map((n) => runProgram(pool, `return await look({ n: ${n} })`, { call }));
    await met(() => open.size === 2);
    expect(pool.hosts.map(({ running }) => running)).toEqual([1, 1]);
    for (const release of open.values()) release(answer('done'));
    await met(() => open.size === 3);
    open.get(3)?.(answer('done'));
    for (const result of results) expect(await returned(result)).toBe('done');
  });

  it('says that it is full when too many wait', async () => {
    const { pool } = sandboxPool({ hostsMax: 1, programsPerHost: 1, queueMax: 1 });
    const { open, call } = gate();
    const first = runProgram(pool, 'return await look({ n: 1 })', { call });
    await met(() => open.size === 1);
    const second = runProgram(pool, 'return 2');
    await expect(runProgram(pool, 'return 3')).rejects.toMatchObject({ code: 'busy' });
    open.get(1)?.(answer('done'));
    expect([await returned(first), await returned(second)]).toEqual(['done', '2']);
  });

  it('runs 200 programs that are asked for at once', async () => {
    const { pool } = sandboxPool({ hostsMax: 2, programsPerHost: 16, queueMax: 200 });
    const programs = Array.from({ length: 200 }, (_, n) =>
      returned(runProgram(pool, `return (await look({ n: ${n} })).input.n`)),
    );
    expect(await Promise.all(programs)).toEqual(Array.from({ length: 200 }, (_, n) => String(n)));
  });

  it('replaces a host that keeps much of the memory it may have', async () => {
    const { pool } = sandboxPool({ hostsMax: 1, rssMaxMb: 80 }); // it takes some 50 by itself
    await runProgram(pool, 'return 1');
    const before = pool.hosts[0]?.pid;
    await met(() => pool.hosts.every(({ pid }) => pid !== before));
    expect(await returned(runProgram(pool, 'return 1'))).toBe('1');
  });

  it('ends a program when its call is cancelled, and one that waits', async () => {
    const { pool } = sandboxPool({ hostsMax: 1, programsPerHost: 1 });
    const cancel = new AbortController();
    let told: AbortSignal | undefined;
    const running = runProgram(pool, 'return await look({})', {
      signal: cancel.signal,
      call: (_name, _input, _number, signal) => {
        told = signal;
        return new Promise(() => {});
      },
    });
    const waiting = runProgram(pool, 'return 1', { signal: cancel.signal });
    await met(() => told !== undefined);
    cancel.abort();
    expect((await running).ending).toMatchObject({ status: 'cut', cut: 'cancelled' });
    expect((await waiting).ending).toMatchObject({ status: 'cut', cut: 'cancelled' });
    expect(told?.aborted).toBe(true);
    expect(await returned(runProgram(pool, 'return 1'))).toBe('1');
  });

  it('ends a program that is cancelled in the moment in which it is given to a host', async () => {
    const { pool } = sandboxPool({ hostsMax: 1 });
    await runProgram(pool, 'return 1');
    const limits = { cpuMs: 60_000, timeoutMs: 60_000 };
    const cancel = new AbortController();
    const programs = [1, 2].map(() => runProgram(pool, 'for (;;);', { signal: cancel.signal, limits }));
    cancel.abort();
    for (const program of programs) expect((await program).ending).toMatchObject({ cut: 'cancelled' });
    await met(() => pool.hosts.every(({ running }) => running === 0));
    expect(await returned(runProgram(pool, 'return 2'))).toBe('2');
    expect(pool.hosts).toHaveLength(1);
  });

  it('does not count the time of tool calls, nor more time than that', async () => {
    const { pool } = sandboxPool();
    const call = async () => {
      await new Promise((resolve) => setTimeout(resolve, 600));
      return answer('late');
    };
    const limits = { timeoutMs: 400 };
    expect(await returned(runProgram(pool, 'return await look({})', { call, limits }))).toBe('late');
    const { ending } = await runProgram(pool, 'await look({}); await sleep(10_000)', { call, limits });
    expect(ending).toMatchObject({ status: 'cut', cut: 'time' });
  });

  it('says why no host can be started, and tries again later', async () => {
    const { pool, warnings } = sandboxPool({ memoryMb: 1, fence: 'off' }); // V8 takes no less than 8
    await expect(runProgram(pool, 'return 1')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(runProgram(pool, 'return 1')).rejects.toThrow(/could not be started: .*memoryLimit/s);
    expect(warnings).toHaveLength(2);
    expect(pool.hosts).toEqual([]);
  });

  it('waits once, and longer, after several hosts that could not be started', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { pool, warnings } = sandboxPool({ memoryMb: 1, fence: 'off', programsPerHost: 1 });
    const programs = [1, 2].map(() => runProgram(pool, 'return 1'));
    expect(pool.hosts).toHaveLength(2);
    for (const program of programs) await expect(program).rejects.toMatchObject({ code: 'unavailable' });
    expect(warnings).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(1);
    const later = runProgram(pool, 'return 1');
    vi.advanceTimersByTime(150); // longer than after one
    expect(pool.hosts).toEqual([]);
    vi.advanceTimersByTime(50);
    expect(pool.hosts).toHaveLength(1);
    await expect(later).rejects.toMatchObject({ code: 'unavailable' });
    pool.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it.skipIf(findBubblewrap() === undefined)('has no network and no files of others under bubblewrap', async () => {
    const { pool } = sandboxPool({ fence: 'bubblewrap' });
    await runProgram(pool, 'return 1');
    const pid = innermost(pool.hosts[0]?.pid as number);
    const here = (name: string) => readFileSync(`/proc/${process.pid}/${name}`, 'utf8');
    const there = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8');
    expect(there('net/dev').match(/^ *\w+:/gm)).toEqual(['    lo:']);
    expect(there('net/tcp')).not.toBe(here('net/tcp'));
    const mounts = there('mounts')
      .split('\n')
      .map((line) => line.split(' ')[1])
      .filter((path) => path !== undefined && !/^\/(proc|dev)\b/.test(path));
    expect(
      mounts.filter((path) => !/^\/(sandbox|usr|lib|lib64|etc\/ld\.so\.cache)?(\/|$)/.test(path as string)),
    ).toEqual([]);
  });

  it('gives its hosts no environment, and no descriptor but three pipes', async () => {
    const { pool } = sandboxPool({ fence: 'off' });
    await runProgram(pool, 'return 1');
    const pid = innermost(pool.hosts[0]?.pid as number);
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .map((one) => one.split('=')[0]);
    expect(environment.filter((name) => !['', 'PWD', 'OLDPWD', 'SHLVL', '_'].includes(name as string))).toEqual([]);
    const opened = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(opened.filter((path) => !/^(pipe|socket|anon_inode):|^\/dev\/null$/.test(path))).toEqual([]);
    const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
    expect(limits).toMatch(/Max core file size +0 +0/);
    expect(limits).toMatch(/Max file size +0 +0/);
  });

  it('leaves no process when it is stopped while a host starts, at whatever point of that', async () => {
    const groups: string[] = [];
    for (let delayMs = 0; delayMs <= 60; delayMs += 3) {
      const { pool } = openPool();
      const result = runProgram(pool, 'return 1');
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      groups.push(...pool.hosts.map(({ pid }) => String(pid)));
      pool.stop();
      await result;
    }
    expect(groups).toHaveLength(21);
    await met(() => {
      const there = execFileSync('ps', ['-eo', 'pgid='], { encoding: 'utf8' }).split(/\s+/);
      return groups.every((group) => !there.includes(group));
    });
  });

  it('takes no more programs when it is stopped, and leaves no process', async () => {
    const { pool } = openPool();
    await runProgram(pool, 'return 1');
    const pid = pool.hosts[0]?.pid as number;
    const running = runProgram(pool, 'await sleep(60_000)');
    pool.stop();
    expect((await running).ending).toMatchObject({ cut: 'cancelled' });
    await expect(runProgram(pool, 'return 1')).rejects.toThrow('the gateway stops');
    await met(() => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    });
  });
});

describe('a program', () => {
  const { pool } = openPool();
  afterAll(() => pool.stop());
  const run = (source: string, call?: (name: string, input: unknown) => Promise<CallOutcome>) =>
    runProgram(pool, source, call === undefined ? {} : { call });

  it('returns text as it is and anything else as JSON', async () => {
    expect(await returned(run('return "a\\nb"'))).toBe('a\nb');
    expect(await returned(run('return { a: [1, null, "x"] }'))).toBe('{"a":[1,null,"x"]}');
    expect(await returned(run('return new Map([["a", new Set([1n])]])'))).toBe('[["a",["1"]]]');
    expect(await returned(run('1 + 1'))).toBe('undefined');
  });

  it('is told in which of its lines it went wrong', async () => {
    const threw = async (source: string) => ((await run(source)).ending as { text: string }).text;
    expect(await threw('const a = 1;\nconst f = () => a.b.c;\nreturn f();')).toBe(
      "TypeError: Cannot read properties of undefined (reading 'c')\n    at code.js:2:21\n    at code.js:3:8",
    );
    expect(await threw('let a = 1;\nlet = = 2;')).toMatch(/^SyntaxError: .*\n {4}at code\.js:2:\d+$/);
    expect(await threw('throw "no"')).toBe('threw no');
  });

  it('is told the line of a call that failed, and may catch it', async () => {
    const call = async (): Promise<CallOutcome> => ({ text: 'there is no such file', json: false, failed: true });
    expect((await run('\n\nawait look({})', call)).ending).toMatchObject({
      text: 'Error: there is no such file\n    at code.js:3:7',
    });
    expect(await returned(run('try { await look({}) } catch (e) { return e.message }', call))).toBe(
      'there is no such file',
    );
  });

  it('prints, to a limit', async () => {
    expect((await run('console.log("a", { b: 1 }, [undefined]); console.error(new Error("x").message)')).console).toBe(
      'a {"b":1} [null]\nx\n',
    );
    const { console } = await run('for (let i = 0; i < 1000; i++) console.log("x".repeat(100))');
    expect(console.length).toBeLessThan(2_200);
    expect(console).toMatch(/\[further output was dropped\]\n$/);
  });

  it('keeps what it had printed when it is cut', async () => {
    const result = await runProgram(pool, 'console.log("before"); for (;;);', { limits: { cpuMs: 100 } });
    expect(result).toMatchObject({ console: 'before\n', ending: { cut: 'cpu' } });
  });

  it('makes calls at once, no more than it may', async () => {
    let atOnce = 0;
    let most = 0;
    const call = async (): Promise<CallOutcome> => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      await new Promise((resolve) => setTimeout(resolve, 20));
      atOnce -= 1;
      return answer('x');
    };
    expect(
      await returned(run('return (await Promise.all(Array.from({ length: 12 }, () => look({})))).length', call)),
    ).toBe('12');
    expect(most).toBe(4);
    const source =
      'return (await Promise.allSettled(Array.from({ length: 30 }, () => look({})))).filter((r) => r.value).length';
    expect(await returned(run(source, call))).toBe('20');
  });

  it('has functions by dotted names, one below another', async () => {
    const granted = ['memory.search', 'memory', 'files.read', 'mcp.a-b.c_d'];
    const source =
      'return [await memory({}), await memory.search({}), await files.read(), await mcp["a-b"].c_d({ x: 1 })].map((r) => r.name + JSON.stringify(r.input)).join()';
    expect(await returned(runProgram(pool, source, { granted }))).toBe(
      'memory{},memory.search{},files.read{},mcp.a-b.c_d{"x":1}',
    );
  });

  it('can wait', async () => {
    expect(await returned(run('const at = Date.now(); await sleep(50); return Date.now() - at >= 45'))).toBe('true');
    expect(await returned(run('return await new Promise((resolve) => setTimeout(resolve, 10, "late"))'))).toBe('late');
  });
});
