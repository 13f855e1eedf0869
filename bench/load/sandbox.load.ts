/**
 * Programs in sandbox hosts, each in an isolate of its own: the first after idle, warm ones, calls of tools, many at once,
 * memory. The baseline is isolated-vm alone in a process that does nothing else, with the flags of a host.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Task } from '../../src/tools/sandbox/execution.ts';
import { type PoolSettings, SandboxPool } from '../../src/tools/sandbox/pool.ts';
import type { BenchReport } from '../report.ts';
import { median, residentMb } from './process-stats.ts';

const FIRSTS = 9;
const WARM = 300;
const AT_ONCE = 200;
/** What a tool takes while 200 programs call it. */
const TOOL_MS = 50;

/** The defaults of the configuration. */
const SETTINGS: PoolSettings = {
  hostsMax: 4,
  programsPerHost: 16,
  queueMax: 256,
  idleMs: 60_000,
  memoryMb: 64,
  rssMaxMb: 512,
  fence: 'auto',
  jit: false,
};
const limits = {
  timeoutMs: 30_000,
  cpuMs: 5_000,
  callsMax: 1_000,
  callsAtOnceMax: 8,
  inputLengthMax: 262_144,
  consoleLengthMax: 10_000,
  resultLengthMax: 20_000,
};

export async function run(): Promise<BenchReport> {
  const raw = await rawIsolate();
  const bareMs = await bareNode();
  const fenced = await firsts({});
  const open = await firsts({ fence: 'off' });
  const pool = openPool({});
  const warm = await warmMs(pool);
  const callMs = await perCall(pool);
  pool.stop();
  const jitPool = openPool({ jit: true });
  const [interpreted, compiled] = [await work(openPool({})), await work(jitPool)];
  const many = await atOnce();
  const isolateMb = await memoryOfOne();
  return {
    name: 'sandbox hosts',
    rows: [
      { label: 'isolated-vm alone: an isolate, a program of one line', value: raw.programMs, unit: 'ms', ratio: 1 },
      { label: 'Node alone, from its start to its end', value: bareMs, unit: 'ms', ratio: 1 },
      {
        label: `first program after idle, median of ${FIRSTS}`,
        value: median(fenced.ms),
        unit: 'ms',
        ratio: median(fenced.ms) / bareMs,
        aim: '≤ 150',
      },
      {
        label: 'the fastest of them',
        value: Math.min(...fenced.ms),
        unit: 'ms',
        ratio: Math.min(...fenced.ms) / bareMs,
      },
      { label: 'the same without bubblewrap', value: median(open.ms), unit: 'ms', ratio: median(open.ms) / bareMs },
      {
        label: 'of which the thread that asks is held up: median',
        value: median(fenced.heldUpMs),
        unit: 'ms',
        aim: '≤ 5',
      },
      { label: 'the shortest', value: Math.min(...fenced.heldUpMs), unit: 'ms' },
      {
        label: 'warm, a program of one line: p50',
        value: median(warm),
        unit: 'ms',
        ratio: median(warm) / raw.programMs,
        aim: '≤ 5',
      },
      { label: 'the same: p99', value: warm.toSorted((a, b) => a - b)[Math.floor(WARM * 0.99)] as number, unit: 'ms' },
      { label: 'a call of a tool from a program and back', value: callMs, unit: 'ms' },
      { label: 'a million additions, interpreted', value: interpreted, unit: 'ms' },
      { label: 'the same with the JIT', value: compiled, unit: 'ms', ratio: compiled / interpreted },
      { label: `${AT_ONCE} programs at once, a tool of ${TOOL_MS} ms each: all done`, value: many.ms, unit: 'ms' },
      { label: 'of those, failed', value: many.failed, unit: 'programs', aim: '0' },
      { label: 'hosts then, resident memory of all', value: many.rssMb, unit: 'MB' },
      { label: 'isolated-vm alone: memory of an isolate', value: raw.isolateMb, unit: 'MB', ratio: 1 },
      { label: 'memory of a program that waits', value: isolateMb, unit: 'MB', ratio: isolateMb / raw.isolateMb },
    ],
  };
}

function openPool(changes: Partial<PoolSettings>): SandboxPool {
  return new SandboxPool({ ...SETTINGS, ...changes }, { warn: (fields, message) => console.error(message, fields) });
}

async function runProgram(pool: SandboxPool, source: string, toolMs = 0): Promise<string> {
  const call: Task['call'] = async () => {
    if (toolMs > 0) await new Promise((resolve) => setTimeout(resolve, toolMs));
    return { text: '1', json: true, failed: false };
  };
  const program = { source, granted: ['look'], limits };
  const { ending } = await pool.run({ program, signal: new AbortController().signal, call });
  if (ending.status !== 'ok') throw new Error(JSON.stringify(ending));
  return ending.text;
}

async function rawIsolate(): Promise<{ programMs: number; isolateMb: number }> {
  const script = fileURLToPath(new URL('./raw-isolate.ts', import.meta.url));
  // Not --jitless, without which this TypeScript can't be read; the interpreter alone all the same.
  const flags = ['--no-node-snapshot', '--no-opt', '--no-maglev', '--no-sparkplug'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, script]);
  return JSON.parse(stdout);
}

/** What no host can be faster than: a Node without a snapshot, which isolated-vm asks for, that does nothing. */
async function bareNode(): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n < FIRSTS; n++) {
    const startedAt = performance.now();
    await promisify(execFile)(process.execPath, ['--no-node-snapshot', '--jitless', '--eval', '0']);
    took.push(performance.now() - startedAt);
  }
  return median(took);
}

async function firsts(changes: Partial<PoolSettings>): Promise<{ ms: number[]; heldUpMs: number[] }> {
  const ms: number[] = [];
  const heldUpMs: number[] = [];
  for (let n = 0; n < FIRSTS; n++) {
    const pool = openPool(changes);
    const startedAt = performance.now();
    const result = runProgram(pool, 'return 1');
    heldUpMs.push(performance.now() - startedAt);
    await result;
    ms.push(performance.now() - startedAt);
    pool.stop();
  }
  return { ms, heldUpMs };
}

async function warmMs(pool: SandboxPool): Promise<number[]> {
  const took: number[] = [];
  await runProgram(pool, 'return 1');
  for (let n = 0; n < WARM; n++) {
    const startedAt = performance.now();
    await runProgram(pool, 'return 1');
    took.push(performance.now() - startedAt);
  }
  return took;
}

async function perCall(pool: SandboxPool): Promise<number> {
  const text = await runProgram(
    pool,
    'const at = Date.now(); for (let n = 0; n < 500; n++) await look({ n }); return (Date.now() - at) / 500',
  );
  return Number(text);
}

async function work(pool: SandboxPool): Promise<number> {
  const source = 'const at = Date.now(); let sum = 0; for (let n = 0; n < 1e6; n++) sum += n; return Date.now() - at';
  const took = Number(await runProgram(pool, source));
  pool.stop();
  return took;
}

async function atOnce(): Promise<{ ms: number; failed: number; rssMb: number }> {
  const pool = openPool({});
  await runProgram(pool, 'return 1');
  const startedAt = performance.now();
  const results = await Promise.allSettled(
    Array.from({ length: AT_ONCE }, () => runProgram(pool, 'return await look({})', TOOL_MS)),
  );
  const ms = performance.now() - startedAt;
  const rssMb = pool.hosts.reduce((sum, { pid }) => sum + treeMb(pid as number), 0);
  pool.stop();
  return { ms, failed: results.filter(({ status }) => status === 'rejected').length, rssMb };
}

/** What a host takes more with 16 programs that wait than with none, for each. */
async function memoryOfOne(): Promise<number> {
  const pool = openPool({ hostsMax: 1 });
  await runProgram(pool, 'return 1');
  const pid = pool.hosts[0]?.pid as number;
  const before = treeMb(pid);
  const waiting = Array.from({ length: 16 }, () => runProgram(pool, 'await sleep(1_500)'));
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const each = (treeMb(pid) - before) / 16;
  await Promise.all(waiting);
  pool.stop();
  return each;
}

/** Resident memory of a process and of all below it, in MB. */
function treeMb(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  const below = children === '' ? [] : children.split(' ').map((child) => treeMb(Number(child)));
  return below.reduce((sum, mb) => sum + mb, residentMb(pid));
}
