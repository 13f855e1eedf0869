/** Start of a gateway with one shard: until it says that it listens, and its memory then. */
import { readFileSync } from 'node:fs';
import type { BenchReport } from '../report.ts';
import { startGateway } from './server.ts';

const STARTS = 7;

export async function run(): Promise<BenchReport> {
  const readyMs: number[] = [];
  const rssMb: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    const gateway = await startGateway();
    readyMs.push(gateway.readyMs);
    rssMb.push(residentMb(gateway.pid));
    await gateway.stop();
  }
  return {
    name: 'start',
    rows: [
      { label: `ready, median of ${STARTS} starts`, value: median(readyMs), unit: 'ms', aim: '≤ 500' },
      { label: 'resident memory then, one shard', value: median(rssMb), unit: 'MB', aim: '≤ 120' },
    ],
  };
}

function residentMb(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return (Number(kilobytes) * 1_024) / 1e6;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}
