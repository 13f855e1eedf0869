/**
 * Telegram all the way: a local Bot API server has updates of 1,000 private chats, the gateway gets them by long polling,
 * journals them, the offline model answers, and what counts is the message that answers an update at the server. Gateway and
 * server share the machine's cores. The baseline is the adapter alone, which answers whatever comes, with the same server.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchReport, BenchRow } from '../report.ts';
import { channelsOf } from './platform-account.ts';
import { cpuSeconds } from './process-stats.ts';
import { newHome, type ServerUnderLoad, startGateway, startScript } from './server.ts';
import type { TelegramLoad } from './telegram-server.ts';

/** Updates without an answer, while as many are answered as can be. */
const WAITING = 500;
const WARM_UP = `/flood?updates=8000&waiting=${WAITING}`;
const FLOOD = `/flood?updates=10000&waiting=${WAITING}`;
const STEADY_RATE = 500;
const STEADY = `/steady?rate=${STEADY_RATE}&seconds=5`;

interface Measured extends TelegramLoad {
  readonly perSecond: number;
  /** Meanwhile, of the Bot API server, and of what it is asked by. */
  readonly cores: { readonly server: number; readonly bot: number };
}

export async function run(): Promise<BenchReport> {
  const server = await startScript('telegram-server.ts');
  try {
    const { port } = (await order(server, '/telegram')) as { port: number };
    const alone = await underLoad(server, () => startScript('telegram-adapter.ts', [`${port}`]), [FLOOD]);
    const home = newHome();
    writeFileSync(join(home, 'dhaavak.yaml'), JSON.stringify({ channels: channelsOf('telegram', port, home) }));
    const whole = await underLoad(server, () => startGateway({}, [], home), [FLOOD, STEADY]);
    return { name: 'Telegram, offline model, 1,000 chats', rows: rowsOf(alone, whole) };
  } finally {
    await server.stop();
  }
}

function rowsOf([alone]: Measured[], [flood, steady]: Measured[]): BenchRow[] {
  if (alone === undefined || flood === undefined || steady === undefined) throw new Error('a load was left out');
  const calls = Object.values(flood.calls).reduce((all, some) => all + some, 0) / flood.answered;
  const ratio = flood.perSecond / alone.perSecond;
  return [
    { label: 'the adapter alone answers', value: alone.perSecond, unit: 'updates/s', ratio: 1 },
    { label: 'its CPU', value: alone.cores.bot, unit: 'cores' },
    { label: 'the Bot API server meanwhile', value: alone.cores.server, unit: 'cores' },
    { label: 'the gateway answers', value: flood.perSecond, unit: 'updates/s', ratio, aim: '≥ 1,000' },
    { label: 'its CPU', value: flood.cores.bot, unit: 'cores' },
    { label: 'the Bot API server meanwhile', value: flood.cores.server, unit: 'cores' },
    { label: 'calls of the Bot API for an update', value: calls, unit: 'calls' },
    { label: `at ${STEADY_RATE} updates/s, from update to answer: p50`, value: steady.p50, unit: 'ms' },
    { label: `at ${STEADY_RATE} updates/s, from update to answer: p99`, value: steady.p99, unit: 'ms' },
    { label: `at ${STEADY_RATE} updates/s: gateway CPU`, value: steady.cores.bot, unit: 'cores' },
    { label: `at ${STEADY_RATE} updates/s: the Bot API server`, value: steady.cores.server, unit: 'cores' },
  ];
}

async function underLoad(
  server: ServerUnderLoad,
  start: () => Promise<ServerUnderLoad>,
  loads: readonly string[],
): Promise<Measured[]> {
  const bot = await start();
  try {
    await order(server, WARM_UP);
    const all: Measured[] = [];
    for (const load of loads) {
      const cpu = () => ({ server: cpuSeconds(server.pid), bot: cpuSeconds(bot.pid) });
      const before = cpu();
      const report = (await order(server, load)) as TelegramLoad;
      const after = cpu();
      const seconds = report.tookMs / 1_000;
      const cores = { server: (after.server - before.server) / seconds, bot: (after.bot - before.bot) / seconds };
      all.push({ ...report, perSecond: report.answered / seconds, cores });
    }
    return all;
  } finally {
    await bot.stop();
  }
}

/** Throws what the server could not do. */
async function order({ port }: ServerUnderLoad, path: string): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}
