/**
 * Runs benches, prints their tables and writes them as JSON:
 *
 *     npm run bench                      everything, about seven minutes
 *     npm run bench -- echo messages     those whose name begins so
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { asTable, type BenchReport } from './report.ts';

const BENCHES: Record<string, () => Promise<{ run(): Promise<BenchReport> }>> = {
  actors: () => import('./actors.bench.ts'),
  codec: () => import('./codec.bench.ts'),
  journal: () => import('./journal.bench.ts'),
  start: () => import('./load/start.load.ts'),
  echo: () => import('./load/echo.load.ts'),
  messages: () => import('./load/messages.load.ts'),
  durability: () => import('./load/durability.load.ts'),
  connections: () => import('./load/connections.load.ts'),
  flood: () => import('./load/flood.load.ts'),
  models: () => import('./load/models.load.ts'),
  turns: () => import('./load/turns.load.ts'),
  channels: () => import('./load/channels.load.ts'),
  'channels-start': () => import('./load/channel-starts.load.ts'),
  sandbox: () => import('./load/sandbox.load.ts'),
  programs: () => import('./load/programs.load.ts'),
  memory: () => import('./load/memory.load.ts'),
  recall: () => import('./load/recall.load.ts'),
  vectors: () => import('./load/vectors.load.ts'),
};

const wanted = process.argv.slice(2);
const names = Object.keys(BENCHES).filter(
  (name) => wanted.length === 0 || wanted.some((part) => name.startsWith(part)),
);
if (names.length === 0) {
  console.error(`no bench is named ${wanted.join(' ')}; there are: ${Object.keys(BENCHES).join(', ')}`);
  process.exit(2);
}

const machine = `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, load before ${loadavg()[0]?.toFixed(2)}`;
console.log(`${machine}\n`);
const reports: BenchReport[] = [];
for (const name of names) {
  const { run } = await (BENCHES[name] as (typeof BENCHES)[string])();
  const report = await run();
  reports.push(report);
  console.log(`${asTable(report)}\n`);
}
const folder = fileURLToPath(new URL('./results', import.meta.url));
mkdirSync(folder, { recursive: true });
const file = `${folder}/${new Date().toISOString().replaceAll(':', '-')}.json`;
writeFileSync(file, JSON.stringify({ machine, reports }, null, 2));
console.log(`written to ${file}`);
