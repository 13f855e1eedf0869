/**
 * What one account adds to a gateway: gateways without and with one take turns. Of the times the shortest count, since what
 * else the machine does only adds to them, of memory the medians. An account is ready when the local server of its platform,
 * on the same cores, has let it in. Processor time is that of all threads of the gateway until half a second later: where
 * other work has the cores, it tells more than the clock.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connect } from '../../src/client/client.ts';
import type { BenchReport, BenchRow } from '../report.ts';
import { channelsOf, idleChannel, PLATFORMS, type Platform, settingsOf } from './platform-account.ts';
import { cpuMs, median, residentMb } from './process-stats.ts';
import { type GatewayUnderLoad, newHome, startGateway, startScript } from './server.ts';

const STARTS = 7;
const READY_AIM = '≤ 150';
const MEMORY_AIMS: Record<Platform, string> = { telegram: '≤ 40', slack: '≤ 40', discord: '≤ 80', whatsapp: '≤ 80' };
/** After this much memory is looked at, so that it is not what a start still throws away. */
const SETTLE_MS = 500;

interface Start {
  readonly listensMs: number;
  /** The account is ready, too. */
  readonly readyMs: number;
  readonly cpuMs: number;
  readonly mb: number;
}

export async function run(): Promise<BenchReport> {
  const idle = await compare(idleChannel());
  const rows: BenchRow[] = [
    { label: `gateway without channels: ready, the fastest of ${STARTS}`, value: idle.plain.readyMs, unit: 'ms' },
    { label: 'gateway without channels: memory', value: idle.plain.mb, unit: 'MB' },
    { label: 'a channel that does nothing: ready after that', value: idle.added.readyMs, unit: 'ms' },
    { label: 'a channel that does nothing: processor time', value: idle.added.cpuMs, unit: 'ms' },
    { label: 'a channel that does nothing adds', value: idle.added.mb, unit: 'MB' },
  ];
  for (const platform of PLATFORMS) rows.push(...(await platformRows(platform)));
  return { name: 'what an account of a channel adds to a gateway', rows };
}

async function platformRows(platform: Platform): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'dhaavak-bench-'));
  const server = await startScript('platform-server.ts', [platform, folder]);
  try {
    const { added } = await compare(channelsOf(platform, server.port, folder));
    const alone = await adapterAlone(platform, server.port, folder);
    return [
      { label: `${platform}: ready after the gateway without`, value: added.readyMs, unit: 'ms', aim: READY_AIM },
      { label: `${platform}: processor time`, value: added.cpuMs, unit: 'ms' },
      { label: `${platform}: the gateway itself listens later by`, value: added.listensMs, unit: 'ms' },
      { label: `${platform} adds`, value: added.mb, unit: 'MB', aim: MEMORY_AIMS[platform] },
      { label: `${platform}: its adapter alone, from import to ready`, value: alone.readyMs, unit: 'ms' },
      { label: `${platform}: its adapter alone`, value: alone.addedMb, unit: 'MB' },
    ];
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

async function compare(channels: object): Promise<{ plain: Start; added: Start }> {
  const [without, beside]: [Start[], Start[]] = [[], []];
  for (let i = 0; i < STARTS; i++) {
    without.push(await start({}));
    beside.push(await start(channels));
  }
  const plain = summary(without);
  const one = summary(beside);
  const added = {
    listensMs: one.listensMs - plain.listensMs,
    readyMs: one.readyMs - plain.readyMs,
    cpuMs: one.cpuMs - plain.cpuMs,
    mb: one.mb - plain.mb,
  };
  return { plain, added };
}

function summary(starts: readonly Start[]): Start {
  return {
    listensMs: Math.min(...starts.map(({ listensMs }) => listensMs)),
    readyMs: Math.min(...starts.map(({ readyMs }) => readyMs)),
    cpuMs: Math.min(...starts.map((start) => start.cpuMs)),
    mb: median(starts.map(({ mb }) => mb)),
  };
}

async function start(channels: object): Promise<Start> {
  const home = newHome();
  writeFileSync(join(home, 'dhaavak.yaml'), JSON.stringify({ channels })); // JSON is YAML
  const startedAt = Date.now();
  const gateway = await startGateway({}, [], home);
  try {
    const connectedAt = await accountReady(gateway);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const listensMs = gateway.readyMs;
    const readyMs = connectedAt === undefined ? listensMs : Math.max(listensMs, connectedAt - startedAt);
    return { listensMs, readyMs, cpuMs: cpuMs(gateway.pid), mb: residentMb(gateway.pid) };
  } finally {
    await gateway.stop();
  }
}

/** When the account became ready, in milliseconds since the epoch; undefined: there is none. */
async function accountReady({ port, token }: GatewayUnderLoad): Promise<number | undefined> {
  const client = await connect({ url: `ws://127.0.0.1:${port}/ws`, token });
  try {
    for (;;) {
      const [account] = (await client.request('channel.list', {})).channels;
      if (account === undefined) return undefined;
      if (account.state === 'ready') return account.since;
      if (account.state !== 'connecting') throw new Error(`${account.channel} is ${account.state}: ${account.reason}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    await client.close();
  }
}

async function adapterAlone(platform: Platform, port: number, folder: string) {
  const script = fileURLToPath(new URL('./adapter-alone.ts', import.meta.url));
  const account = Object.values(channelsOf(platform, port, folder).custom ?? {})[0];
  const module = account === undefined ? `../../src/channels/${platform}/adapter.ts` : './whatsapp-channel.ts';
  const settings = JSON.stringify(account === undefined ? settingsOf(platform, port) : account.settings);
  // As in a gateway, what is loaded is compiled already after the first start.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'dhaavak-bench-compiled') };
  const starts: { readyMs: number; addedMb: number }[] = [];
  for (let i = 0; i < STARTS; i++) {
    const { stdout } = await promisify(execFile)(process.execPath, [script, module, settings, folder], { env });
    starts.push(JSON.parse(stdout));
  }
  return {
    readyMs: Math.min(...starts.map(({ readyMs }) => readyMs)),
    addedMb: median(starts.map(({ addedMb }) => addedMb)),
  };
}
