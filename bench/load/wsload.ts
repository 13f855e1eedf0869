/** Builds and runs `wsload`, the load generator in C: a JavaScript client would cost more than the server it measures. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { encodeFrame } from '../../src/protocol/frame.ts';

const SOURCE = fileURLToPath(new URL('./wsload.c', import.meta.url));
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/dhaavak-bench', import.meta.url));

/** What wsload reports of one run; latencies in microseconds, cores as fractions of one. */
export interface LoadReport {
  opened: number;
  failed: number;
  closed: number;
  alive: number;
  mismatch: number;
  skipped: number;
  msgs: number;
  msg_s: number;
  frame_s: number;
  /** Handshakes a second, while opening. */
  hs_s: number;
  lat_us: { p50: number; p90: number; p99: number; p999: number; max: number };
  gen_cpu: number;
  srv_cpu: number;
  busy: number;
  srv_threads: Record<string, number>;
  rss_kb: [number, number, number];
}

/** Compiles wsload when its source is newer than the program. Throws a sentence when there is no C compiler. */
export function buildWsload(): string {
  const program = join(CACHE, 'wsload');
  if (existsSync(program) && statSync(program).mtimeMs > statSync(SOURCE).mtimeMs) return program;
  mkdirSync(CACHE, { recursive: true });
  try {
    execFileSync('gcc', ['-O2', '-Wall', '-o', program, SOURCE]);
  } catch (error) {
    throw new Error('the load benches need gcc: apt-get install gcc libc6-dev', { cause: error });
  }
  return program;
}

/** A frame in a file of its own, for wsload to send. Eight `#` in it become the connection's number. */
export function frameFile(type: string, data: unknown): string {
  const file = join(mkdtempSync(join(tmpdir(), 'dhaavak-bench-')), `${type}.bin`);
  writeFileSync(file, encodeFrame({ id: 'bench', type, timestamp: Date.now(), data }));
  return file;
}

/** Runs wsload with `options` (see `wsload --help`), e.g. `{ conns: 100, window: 16 }`. */
export async function wsload(options: Record<string, string | number | true>): Promise<LoadReport> {
  const args = Object.entries({ path: '/ws', json: true as const, ...options }).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, String(value)],
  );
  // wsload exits 3 when a connection failed or closed; the report says which.
  const { stdout } = await promisify(execFile)(buildWsload(), args).catch((error: { stdout?: string }) => {
    if (error.stdout?.startsWith('{')) return { stdout: error.stdout };
    throw error;
  });
  return JSON.parse(stdout) as LoadReport;
}
