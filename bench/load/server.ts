/** Servers under load, each a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect } from '../../src/client/client.ts';

export interface ServerUnderLoad {
  port: number;
  pid: number;
  stop(): Promise<void>;
}

export interface GatewayUnderLoad extends ServerUnderLoad {
  token: string;
  /** From the start of the process to the line that says it listens. */
  readyMs: number;
}

/** A script beside this file that prints its port. */
export async function startScript(
  name: string,
  args: string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<ServerUnderLoad> {
  const child = run([fileURLToPath(new URL(name, import.meta.url)), ...args], env);
  const port = Number(await firstMatch(child, /^(\d+)$/));
  return { port, pid: child.pid as number, stop: () => stop(child) };
}

/** An empty folder for a gateway's data. */
export function newHome(): string {
  return mkdtempSync(join(tmpdir(), 'dhaavak-bench-'));
}

/** A whole gateway on a data folder of its own, which is gone when it has stopped unless it is to be kept. */
export async function startGateway(
  env: NodeJS.ProcessEnv = {},
  flags: string[] = [],
  home = newHome(),
  { keep = false } = {},
): Promise<GatewayUnderLoad> {
  const program = fileURLToPath(new URL('../../src/cli/dhaavak.mjs', import.meta.url));
  const startedAt = performance.now();
  const child = run([program, 'start', '--home', home, '--port', '0', ...flags], {
    DHAAVAK_LOG_LEVEL: 'error',
    ...env,
  });
  const port = Number(await firstMatch(child, /listens on ws:\/\/[^:]+:(\d+)/));
  const readyMs = performance.now() - startedAt;
  const token = readFileSync(join(home, 'token'), 'utf8').trim();
  return {
    port,
    token,
    readyMs,
    pid: child.pid as number,
    async stop() {
      await stop(child);
      if (!keep) rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Sessions for the users 00000000, 00000001, …: the ones that frames with eight `#` go to. */
export async function createSessions({ port, token }: GatewayUnderLoad, count: number, model?: string): Promise<void> {
  const client = await connect({ url: `ws://127.0.0.1:${port}/ws`, token });
  const numbers = Array.from({ length: count }, (_, number) => String(number).padStart(8, '0'));
  for (let i = 0; i < count; i += 100) {
    const page = numbers.slice(i, i + 100);
    await Promise.all(page.map((user) => client.request('session.create', { user, ...(model ? { model } : {}) })));
  }
  await client.close();
}

function run(args: string[], env: NodeJS.ProcessEnv): ChildProcess {
  return spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
}

function firstMatch(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${child.spawnargs.join(' ')} ended with ${code}`)));
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const match = pattern.exec(line);
      if (match) resolve(match[1] as string);
    });
  });
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}
