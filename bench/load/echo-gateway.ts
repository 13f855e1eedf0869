/** The real front end and link before echoing actors. Prints its port; argument 1 is the number of shards. */
import { pino } from 'pino';
import { configSchema } from '../../src/config/schema.ts';
import { TokenCheck } from '../../src/gateway/auth.ts';
import { Server } from '../../src/gateway/server.ts';
import { Topics } from '../../src/gateway/topics.ts';
import { ShardPool } from '../../src/shards/pool.ts';

const log = pino({ level: 'silent' });
const topics = new Topics();
const shards = new ShardPool({
  config: configSchema.parse({}),
  count: Number(process.argv[2] ?? 1),
  subscribers: topics,
  countTokens: () => Promise.reject(new Error('an echo counts nothing')),
  log,
  entry: new URL('./echo-worker.ts', import.meta.url),
});
const server = new Server({
  version: 'bench',
  token: new TokenCheck('bench-token-0123456789'),
  topics,
  log,
  trouble: () => shards.trouble,
  shards,
  route: () => 'main',
  status: () => Promise.reject(new Error('an echo has no status')),
});
await shards.start();
console.log(await server.listen('127.0.0.1', 0));
process.once('SIGTERM', () => {
  server.close();
  void shards.stop(0);
});
