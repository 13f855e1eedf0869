/** Goal: commands do what they should, within limits, and nothing of them stays. Method: real commands through the registry. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { bindingOf } from '../../src/tools/exec/binding.ts';
import { createExecTools } from '../../src/tools/exec/exec.ts';
import { Sandbox } from '../../src/tools/exec/sandbox.ts';
import type { Tool } from '../../src/tools/tool.ts';
import { NO_BUBBLEWRAP, type ToolBench, toolBench } from '../support/tool-bench.ts';
import { toolCaller, toolContext } from '../support/tool-caller.ts';
import { until, within } from '../support/wait.ts';

/** The processes of this machine whose command line has `mark` in it. */
async function processesWith(mark: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes(mark));
}

const gone = (mark: string) =>
  until(10_000, async () => (await processesWith(mark)).length === 0 || undefined, `the end of ${mark}`);
const there = (mark: string) =>
  until(10_000, async () => (await processesWith(mark)).length > 0 || undefined, `the start of ${mark}`);

let marks = 0;
/** An argument of `sleep` that no other process of this machine has. */
function mark(): string {
  marks += 1;
  return `1${process.pid}.${marks}`;
}

const MODES = NO_BUBBLEWRAP === undefined ? [false, true] : [false];
if (NO_BUBBLEWRAP !== undefined) it.skip(`the same in the sandbox: ${NO_BUBBLEWRAP}`);

describe.each(MODES)('exec, sandboxed: %s', (sandboxed) => {
  const options = { sandboxed };

  it('returns exit code and output of a shell or a program, in a folder of the workspace', async () => {
    const { ok, put, workspace } = await toolBench();
    await put('sub/file', 'x');
    expect(await ok('exec', { command: 'pwd; echo oops >&2; exit 3' }, options)).toBe(
      `exit code 3\n${workspace}\noops`,
    );
    expect(await ok('exec', { argv: ['echo', '$HOME', '; ls'] }, options)).toBe('exit code 0\n$HOME ; ls');
    expect(await ok('exec', { command: 'ls', cwd: 'sub' }, options)).toBe('exit code 0\nfile');
    expect(await ok('exec', { command: 'true' }, options)).toBe('exit code 0\n(no output)');
    expect(await ok('exec', { command: 'cat' }, options)).toBe('exit code 0\n(no output)');
  });

  it('is refused outside of the workspace, without a command, or with two', async () => {
    const { refused } = await toolBench();
    expect(await refused('exec', { command: 'ls', cwd: '..' }, options)).toContain('outside of the workspace');
    expect(await refused('exec', { command: 'ls', cwd: 'none' }, options)).toContain('there is no folder none');
    expect(await refused('exec', {}, options)).toContain('either command or argv');
    expect(await refused('exec', { command: 'ls', argv: ['ls'] }, options)).toContain('either command or argv');
    expect(await refused('exec', { command: 'ls\0' }, options)).toContain('NUL');
  });

  it('shows beginning and end of much output, without colours and lines written over', async () => {
    const { ok } = await toolBench();
    const much = await ok('exec', { command: 'seq 1 100000' }, options);
    expect(much.startsWith('exit code 0\n1\n2\n3\n')).toBe(true);
    expect(much.endsWith('99999\n100000')).toBe(true);
    expect(much).toMatch(/\n\[56\d,\d{3} bytes are left out here\]\n/);
    expect(much.length).toBeLessThan(30_000);
    const shown = await ok('exec', { command: String.raw`printf '\033[31mred\033[0m\n10%%\r100%%\nend\a'` }, options);
    expect(shown).toBe('exit code 0\nred\n100%\nend�');
  });

  it('ends what takes too long, writes for ever, or left something behind', async () => {
    const { ok } = await toolBench();
    const marks = [mark(), mark(), mark()] as const;
    expect(await ok('exec', { command: `sleep ${marks[0]}; true`, timeoutMs: 300 }, options)).toContain(
      'it ran longer than 300 ms',
    );
    expect(
      await ok('exec', { command: `trap '' TERM; sleep ${marks[1]}; sleep ${marks[1]}`, timeoutMs: 200 }, options),
    ).toMatch(/SIGKILL|SIGTERM/);
    expect(await within(10_000, ok('exec', { command: `sleep ${marks[2]} & echo done` }, options), () => 'exec')).toBe(
      'exit code 0\ndone',
    );
    expect(await ok('exec', { command: 'yes', timeoutMs: 500 }, options)).toContain('it ran longer than 500 ms');
    for (const mark of marks) await gone(mark);
  });

  it('ends with the run, with all it has started, also in the background', async () => {
    const { call, ok } = await toolBench();
    const [fore, back] = [mark(), mark()];
    const run = new AbortController();
    const signal = run.signal;
    const running = call('exec', { command: `sleep ${fore} & sleep ${fore}` }, { ...options, signal });
    await ok('exec', { command: `sleep ${back}`, background: true }, { ...options, signal });
    await there(fore);
    await there(back);
    run.abort();
    await running;
    await gone(fore);
    await gone(back);
    expect(await ok('exec.list', {}, options)).toContain('the run that started it was cancelled');
  });

  it('in the background goes on, is asked about, and ended', async () => {
    const { ok, refused } = await toolBench();
    const script = 'echo one; while [ ! -e go ]; do sleep 0.05; done; echo two; exit 4';
    expect(await ok('exec', { command: script, background: true }, options)).toContain('started p1');
    const first = await until(
      10_000,
      async () => {
        const text = await ok('exec.poll', { process: 'p1' }, options);
        return text.includes('one') ? text : undefined;
      },
      'the first line',
    );
    expect(first).toMatch(/^p1: running for \d+\.\d s\none$/);
    expect(await ok('exec.poll', { process: 'p1', waitMs: 50 }, options)).toContain('(no new output)');
    await ok('exec', { command: 'touch go' }, options);
    expect(await ok('exec.poll', { process: 'p1', waitMs: 10_000 }, options)).toBe('p1: exit code 4\ntwo');
    const there = mark();
    await ok('exec', { command: `sleep ${there}`, background: true }, options);
    expect(await ok('exec.kill', { process: 'p2' }, options)).toContain('ended by exec.kill');
    await gone(there);
    expect(await ok('exec.list', {}, options)).toMatch(/^p1: exit code 4: .*\np2: ended by /);
    expect(await refused('exec.poll', { process: 'p9' }, options)).toContain("this session's are: p1, p2");
  });
});

describe('processes in the background', () => {
  it('are a session’s own, and end with it', async () => {
    const { ok, refused, registry } = await toolBench();
    const [mine, other] = [mark(), mark()];
    await ok('exec', { command: `sleep ${mine}`, background: true }, { session: 'mine' });
    await ok('exec', { command: `sleep ${other}`, background: true }, { session: 'other' });
    for (const tool of ['exec.poll', 'exec.kill']) {
      expect(await refused(tool, { process: 'p1' }, { session: 'other' })).toContain('there is no process p1');
    }
    expect(await ok('exec.list', {}, { session: 'other' })).not.toContain(mine);
    await registry.endSession('mine');
    await gone(mine);
    expect(await ok('exec.list', {}, { session: 'mine' })).toBe('this session has no background processes.');
    expect(await processesWith(other)).not.toEqual([]);
    await registry.close();
    await gone(other);
    expect(await refused('exec', { command: 'true' })).toContain('the gateway stops');
  });

  it('are limited in number and time', async () => {
    const { ok, refused } = await toolBench({
      tools: { exec: { backgroundMax: 2, backgroundMs: 500, processesMax: 3 } },
    });
    const there = mark();
    const start = (session: string) => ok('exec', { command: `sleep ${there}`, background: true }, { session });
    await start('a');
    await start('a');
    expect(await refused('exec', { command: 'true', background: true }, { session: 'a' })).toContain(
      'a session has 2 background processes at most; running: p1, p2',
    );
    await start('b');
    expect(await refused('exec', { command: 'true' }, { session: 'a' })).toContain('3 commands run already');
    await gone(there);
    expect(await ok('exec.list', {}, { session: 'a' })).toContain('it ran longer than 500 ms');
  });
});

describe('a command that uses too much', () => {
  it.each(MODES)('is ended, and the model told which limit it was (in a sandbox: %s)', async (sandboxed) => {
    const { ok } = await toolBench({ tools: { exec: { cpuSeconds: 1, fileMb: 1, memoryMb: 64 } } });
    const run = (command: string) => ok('exec', { command }, { sandboxed });
    expect(await run('while :; do :; done')).toContain('it used more than 1 s of processor time, the limit');
    expect(await run('head -c 3000000 /dev/zero > big; exit $?')).toContain('it wrote a file of more than 1 MB');
    expect(await run('ls -s --block-size=1 big')).toMatch(/10\d\d\d\d\d |9\d\d\d\d\d /);
    expect(await run('head -c 200000000 /dev/zero | tail -c 150000000')).toMatch(
      /^exit code 1: a process may have 64 MB of memory/,
    );
    expect(await run('echo out of memory')).toMatch(/^exit code 0\n/);
  });

  it.each(MODES)('is stopped by the defaults too, within which programs run (in a sandbox: %s)', async (sandboxed) => {
    const { ok } = await toolBench();
    const limits = await ok('exec', { command: 'cat /proc/self/limits' }, { sandboxed });
    expect(limits).toMatch(/Max cpu time +3600 +3605 /);
    expect(limits).toMatch(/Max data size +4294967296 +4294967296 /);
    expect(limits).toMatch(/Max file size +1073741824 /);
    if (sandboxed) return; // Node of the package is not seen there
    const script = 'console.log(new Uint8Array(5e8).fill(1).length)';
    expect(await ok('exec', { argv: [process.execPath, '-e', script] }, { sandboxed })).toBe('exit code 0\n500000000');
  });
});

describe('the environment of a command', () => {
  it('has what is named of the gateway’s, and none of its secrets', async () => {
    vi.stubEnv('ANTHROPIC_API_KEY', 'sk-secret-value');
    vi.stubEnv('MY_SERVICE_KEY', 'secret-value-too');
    vi.stubEnv('MY_SETTING', 'passed on');
    onTestFinished(() => void vi.unstubAllEnvs());
    const { ok } = await toolBench({ tools: { exec: { env: ['PATH', 'MY_SETTING', 'NOT_SET'] } } });
    for (const sandboxed of MODES) {
      const env = await ok('exec', { command: 'env' }, { sandboxed });
      expect(env).toContain('MY_SETTING=passed on');
      expect(env).not.toMatch(/secret-value|NOT_SET|NODE_|VITEST/);
    }
  });

  it.each(['DHAAVAK_TOKEN', 'OPENAI_API_KEY', 'A=B', ''])('cannot be told to have %j', (name) => {
    expect(configSchema.safeParse({ tools: { exec: { env: [name] } } }).success).toBe(false);
  });
});

describe('without bubblewrap', () => {
  const command = async (bench: ToolBench) => ({
    session: 'one',
    root: bench.workspace,
    home: bench.home,
    argv: ['true'],
    folder: [],
    env: {},
    timeoutMs: 1_000,
    limits: { memoryMb: 4_096, cpuSeconds: 60, fileMb: 1_024, processesPerCommand: 256 },
    sandbox: { network: false, readOnly: [] },
  });

  it('a session in the sandbox has no exec, and is told why', async () => {
    const bench = await toolBench();
    await expect(new Sandbox('/nowhere/bwrap').wrap(await command(bench))).rejects.toThrow(
      'the command was not run: this session is kept in a sandbox, and bubblewrap (bwrap) is not installed',
    );
    await writeFile(join(bench.outside, 'bwrap'), '#!/bin/sh\necho no namespaces for you >&2; exit 1', { mode: 0o755 });
    await expect(new Sandbox(join(bench.outside, 'bwrap')).wrap(await command(bench))).rejects.toThrow(
      'cannot make one here: no namespaces for you',
    );
  });
});

describe('an approval of a command', () => {
  it('is asked for, and bound to folder, sandbox and the files the command names', async () => {
    const { put, workspace, home } = await toolBench();
    await put('sub/run.sh', 'echo hi');
    const exec = createExecTools({ ...configSchema.parse({}), home }).find(({ name }) => name === 'exec') as Tool;
    expect(exec.risk).toBe('ask');
    const context = toolContext({ caller: toolCaller({ workspace, sandboxed: true }) });
    const facts = () => exec.binding?.({ command: 'sh "run.sh" --x > out', cwd: 'sub', background: false }, context);
    expect(await facts()).toEqual({
      cwd: join(workspace, 'sub'),
      sandbox: 'bubblewrap, without network',
      'sha256 of run.sh': expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const before = await facts();
    await put('sub/run.sh', 'rm -rf .');
    expect(await facts()).not.toEqual(before);
    expect(
      await bindingOf({ argv: ['ls'], folder: [], root: workspace, home, sandbox: undefined } as never),
    ).toMatchObject({
      sandbox: 'none: it has all rights of the gateway',
    });
  });
});
