import { readFileSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import type { Result, Task } from '../../src/tools/sandbox/execution.ts';
import type { GuestLimits } from '../../src/tools/sandbox/messages.ts';
import { type PoolSettings, SandboxPool } from '../../src/tools/sandbox/pool.ts';
import { until } from './wait.ts';

export const guestLimits: GuestLimits = {
  timeoutMs: 10_000,
  cpuMs: 5_000,
  callsMax: 20,
  callsAtOnceMax: 4,
  inputLengthMax: 10_000,
  consoleLengthMax: 2_000,
  resultLengthMax: 2_000,
};

export interface PoolOnTest {
  pool: SandboxPool;
  /** What the log was warned of. */
  warnings: { message: string; [field: string]: unknown }[];
}

/** A pool that ends with the test. */
export function sandboxPool(changes: Partial<PoolSettings> = {}): PoolOnTest {
  const made = openPool(changes);
  onTestFinished(() => made.pool.stop());
  return made;
}

/** A pool that its caller stops. */
export function openPool(changes: Partial<PoolSettings> = {}): PoolOnTest {
  const warnings: PoolOnTest['warnings'] = [];
  const settings: PoolSettings = {
    hostsMax: 2,
    programsPerHost: 8,
    queueMax: 100,
    idleMs: 60_000,
    memoryMb: 64,
    rssMaxMb: 512,
    fence: 'auto',
    jit: false,
    ...changes,
  };
  return {
    pool: new SandboxPool(settings, { warn: (fields, message) => warnings.push({ ...fields, message }) }),
    warnings,
  };
}

export interface ProgramOptions {
  granted?: readonly string[];
  limits?: Partial<GuestLimits>;
  call?: Task['call'];
  signal?: AbortSignal;
}

/** Runs a program; calls are answered with their name and input, unless `call` does it. */
export function runProgram(pool: SandboxPool, source: string, options: ProgramOptions = {}): Promise<Result> {
  const { granted = ['look'], limits, signal = new AbortController().signal } = options;
  const echo: Task['call'] = async (name, input) => ({
    text: JSON.stringify({ name, input }),
    json: true,
    failed: false,
  });
  const program = { source, granted, limits: { ...guestLimits, ...limits } };
  return pool.run({ program, signal, call: options.call ?? echo });
}

/** What a program returned. Throws what went wrong instead. */
export async function returned(result: Promise<Result>): Promise<string> {
  const { ending } = await result;
  if (ending.status !== 'ok') throw new Error(JSON.stringify(ending));
  return ending.text;
}

/** The process that runs isolates: the last of the line that begins with the one the pool has started. */
export function innermost(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return children[0] === '' ? pid : innermost(Number(children[0]));
}

/** Waits until `condition` is so. */
export async function met(condition: () => boolean): Promise<void> {
  await until(15_000, async () => condition() || undefined, String(condition));
}
