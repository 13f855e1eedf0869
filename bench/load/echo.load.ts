/**
 * Echo through an actor on a worker (front end, link, mailbox, actor, link, front end), beside the echo of a bare
 * uWebSockets.js server. Rounds alternate, and the median of their ratios is reported: machines are noisy.
 */
import type { BenchReport, BenchRow } from '../report.ts';
import { startScript } from './server.ts';
import { frameFile, type LoadReport, wsload } from './wsload.ts';

const ROUNDS = 3;
const TOKEN = 'bench-token-0123456789';
const AIMS: Record<number, string> = { 1: '≥ 0.55', 16: '≥ 0.45, better 0.70' };

export async function run(): Promise<BenchReport> {
  const payload = frameFile('message.send', { session: 'agent:main:dm:api:########', text: '' });
  const auth = { token: TOKEN };
  const init = frameFile('hello', { protocol: [1, 1], client: { name: 'wsload', version: '1' }, auth });
  const [raw, head, full] = await Promise.all([
    startScript('raw-echo.ts'),
    startScript('echo-gateway.ts', ['1'], { ECHO: 'head' }),
    startScript('echo-gateway.ts', ['1'], { ECHO: 'full' }),
  ]);
  const rows: BenchRow[] = [];
  try {
    for (const window of [16, 1]) {
      const load = { payload, window, conns: 100, warmup: 0.5, duration: 2, verify: true as const };
      const rounds: { raw: LoadReport; head: LoadReport; full: LoadReport }[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        rounds.push({
          raw: clean(await wsload({ ...load, port: raw.port })),
          head: clean(await wsload({ ...load, port: head.port, init, 'init-replies': 1 })),
          full: clean(await wsload({ ...load, port: full.port, init, 'init-replies': 1 })),
        });
      }
      for (const kind of ['raw', 'head', 'full'] as const) {
        rows.push({
          label: `${LABELS[kind]}, window ${window}`,
          value: median(rounds.map((round) => round[kind].msg_s)),
          unit: 'messages/s',
          ratio: median(rounds.map((round) => round[kind].msg_s / round.raw.msg_s)),
          ...(kind === 'head' ? { aim: AIMS[window] as string } : {}),
        });
      }
    }
  } finally {
    await Promise.all([raw.stop(), head.stop(), full.stop()]);
  }
  return { name: 'echo, 100 connections', rows };
}

const LABELS = {
  raw: 'bare uWebSockets.js',
  head: 'through an actor, head decoded',
  full: 'through an actor, all decoded and encoded',
};

function clean(report: LoadReport): LoadReport {
  if (report.mismatch + report.failed + report.closed > 0)
    throw new Error(`not a clean run: ${JSON.stringify(report)}`);
  return report;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}
