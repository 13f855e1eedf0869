/** Start of a gateway with one shard: until it says that it listens, and its memory then. */
import type { BenchReport } from '../report.ts';
import { median, residentMb } from './process-stats.ts';
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
