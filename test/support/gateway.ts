/**
 * Gateways for tests: as a process of its own, started as a user starts it, or inside the test's process, which is faster.
 * Each takes a free port and, unless told otherwise, a folder of its own, and is gone when the test has ended.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { z } from 'zod';
import { configSchema } from '../../src/config/schema.ts';
import { startGateway } from '../../src/main.ts';
import { tempFolder } from './temp-folder.ts';
import { within } from './wait.ts';
import { connectWire, type WireClient } from './wire-client.ts';

/** A configuration as its file has it. */
export type ConfigInput = z.input<typeof configSchema>;

export interface TestGateway {
  readonly url: string;
  /** For its HTTP routes, without a slash at the end. */
  readonly httpUrl: string;
  readonly home: string;
  readonly token: string;
  /** A connection that has said hello, with the gateway's token where none is given, and is closed with the test. */
  connect(options?: { json?: boolean; token?: string }): Promise<WireClient>;
  /** A connection that has said nothing. */
  connectSilent(options?: { json?: boolean }): Promise<WireClient>;
}

export interface LocalGateway extends TestGateway {
  stop(): Promise<void>;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** From the call of stop() or kill(), in milliseconds. */
  tookMs: number;
}

export interface GatewayProcess extends TestGateway {
  readonly pid: number;
  /** What it has written so far. */
  readonly output: { readonly stdout: string; readonly stderr: string };
  /** SIGTERM, as a service manager sends it. */
  stop(): Promise<Exit>;
  /** Resolves when it has ended, by itself or not. */
  readonly ended: Promise<unknown>;
  /** SIGKILL, as the kernel sends it when memory is short. */
  kill(): Promise<Exit>;
}

const CLI = fileURLToPath(new URL('../../src/cli/dhaavak.mjs', import.meta.url));
const TEST_TOKEN = 'test-token-0123456789';

/** A gateway in this process, with its shards in worker threads as always. `reread` is what its file says later. */
export async function localGateway(config: ConfigInput = {}, reread?: () => ConfigInput): Promise<LocalGateway> {
  const gateway = await longGateway({ ...config, home: config.home ?? (await tempFolder()) }, reread);
  onTestFinished(gateway.stop);
  return gateway;
}

/** The same for many tests: whoever starts it stops it and removes its home. */
export async function longGateway(
  config: ConfigInput & { home: string },
  reread: () => ConfigInput = () => config,
): Promise<LocalGateway> {
  const { home } = config;
  const parsed = configSchema.parse({
    ...config,
    gateway: { ...config.gateway, port: 0, token: TEST_TOKEN },
    log: { level: 'silent' },
  });
  const readConfig = async () => configSchema.parse(reread());
  const gateway = await startGateway(parsed, pino({ level: 'silent' }), readConfig);
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= gateway.stop();
    return stopped;
  };
  return { ...testGateway(gateway.url, home, TEST_TOKEN), stop };
}

export interface ProcessOptions {
  /** Default: a folder of the test's own. A gateway that comes after another is given the first one's. */
  home?: string;
  config?: ConfigInput;
  /** Added to an environment without keys of model APIs. */
  env?: Record<string, string>;
  /** Default: any free one. */
  port?: number;
}

/** A gateway as a process, once it listens. Throws with what it wrote when it ends before that. */
export async function gatewayProcess(options: ProcessOptions = {}): Promise<GatewayProcess> {
  const home = options.home ?? (await tempFolder());
  const { child, exited, output } = await spawnGateway({ ...options, home });
  const url = await within(
    15_000,
    new Promise<string>((resolve, reject) => {
      child.stdout?.on('data', () => {
        const url = /listens on (wss?:\S+)/.exec(output.stdout)?.[1];
        if (url !== undefined) resolve(url);
      });
      void exited.then(({ code }) => reject(new Error(`the gateway ended with ${code}: ${output.stderr}`)));
    }),
    () => `the gateway to listen; it wrote ${output.stdout}${output.stderr}`,
  );
  const token = (await readFile(join(home, 'token'), 'utf8')).trim();
  const end = async (signal: NodeJS.Signals): Promise<Exit> => {
    const start = performance.now();
    child.kill(signal);
    const exit = await within(20_000, exited, () => `the gateway to end after ${signal}`);
    return { ...exit, ...output, tookMs: performance.now() - start };
  };
  return {
    ...testGateway(url, home, token),
    pid: child.pid as number,
    output,
    ended: exited,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

/** Runs a gateway that is expected to refuse to start, and returns how it ended. */
export async function refusedGateway(options: ProcessOptions & { home: string }): Promise<Omit<Exit, 'tookMs'>> {
  const { exited, output } = await spawnGateway(options);
  const exit = await within(15_000, exited, () => `the gateway to refuse; it wrote ${output.stdout}`);
  return { ...exit, ...output };
}

async function spawnGateway({ home, config = {}, env = {}, port = 0 }: ProcessOptions & { home: string }) {
  // JSON is YAML.
  await writeFile(join(home, 'dhaavak.yaml'), JSON.stringify(config));
  const child = spawn(process.execPath, [CLI, 'start', '--home', home, '--port', String(port)], {
    env: { PATH: process.env.PATH ?? '', HOME: home, DHAAVAK_LOG_LEVEL: 'warn', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  const exited = ended(child);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return { child, exited, output };
}

/** Resolves when the process has ended and all it wrote was read. */
function ended(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
}

function testGateway(url: string, home: string, token: string): TestGateway {
  const connect = async (options: { json?: boolean; token?: string }): Promise<WireClient> => {
    const client = await connectWire({ url, ...options });
    onTestFinished(() => client.close());
    return client;
  };
  return {
    url,
    httpUrl: url.replace(/^ws/, 'http').replace(/\/ws$/, ''),
    home,
    token,
    connect: (options = {}) => connect({ token, ...options }),
    connectSilent: (options = {}) => connect(options),
  };
}
