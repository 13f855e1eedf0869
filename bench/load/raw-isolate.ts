/** isolated-vm alone, in a process of its own: what an isolate costs that runs a program of one line. Prints JSON. */
import ivm from 'isolated-vm';
import { median } from './process-stats.ts';

const ROUNDS = 200;
const KEPT = 32;
const took: number[] = [];

async function once(): Promise<ivm.Isolate> {
  const isolate = new ivm.Isolate({ memoryLimit: 64 });
  const context = await isolate.createContext();
  await context.eval('(async () => 1)()', { promise: true });
  return isolate;
}

for (let round = 0; round < ROUNDS; round++) {
  const startedAt = performance.now();
  (await once()).dispose();
  took.push(performance.now() - startedAt);
}
const rssBefore = process.memoryUsage.rss();
const kept: ivm.Isolate[] = [];
for (let n = 0; n < KEPT; n++) kept.push(await once());
const isolateMb = (process.memoryUsage.rss() - rssBefore) / 1e6 / kept.length;
console.log(JSON.stringify({ programMs: median(took), isolateMb }));
