/** The real front end and link before echoing actors. Prints its port; argument 1 is the number of shards. */

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { configSchema } from '../../src/config/schema.ts';
import { Access } from '../../src/gateway/access.ts';
import { ChannelDesk } from '../../src/gateway/channels.ts';
import { Clients } from '../../src/gateway/clients.ts';
import { newCounters } from '../../src/gateway/counters.ts';
import { HostCheck } from '../../src/gateway/host-check.ts';
import { NamedTokens } from '../../src/gateway/named-tokens.ts';
import { Pace } from '../../src/gateway/pace.ts';
import { PluginDesk } from '../../src/gateway/plugins.ts';
import { Server } from '../../src/gateway/server.ts';
import { Topics } from '../../src/gateway/topics.ts';
import { ShardPool } from '../../src/shards/pool.ts';
import { ToolHosts } from '../../src/tools/hosts.ts';

const log = pino({ level: 'silent' });
const topics = new Topics();
const counters = newCounters();
const shards = new ShardPool({
  config: configSchema.parse({}),
  count: Number(process.argv[2] ?? 1),
  subscribers: topics,
  countTokens: () => Promise.reject(new Error('an echo counts nothing')),
  tellPairing: () => {},
  tools: new ToolHosts(configSchema.parse({})),
  log,
  entry: new URL('./echo-worker.ts', import.meta.url),
});
const clients = new Clients(
  { connections: 100_000, connectionsPerAddress: 100_000, unauthenticated: 100_000 },
  counters,
);
const server = new Server({
  version: 'bench',
  access: new Access({
    mode: 'token',
    token: 'bench-token-0123456789',
    named: await NamedTokens.open(join(tmpdir(), 'no-such-folder')),
  }),
  clients,
  channels: new ChannelDesk(clients, () => undefined),
  plugins: new PluginDesk(undefined, () => Promise.reject(new Error('an echo has no plugins'))),
  counters,
  idleSeconds: 120,
  pace: new Pace(100_000_000),
  hosts: new HostCheck({ host: '127.0.0.1', hosts: [], origins: [], tls: false }),
  topics,
  trouble: () => shards.trouble,
  shards,
  resumeRuns: () => Promise.reject(new Error('an echo has no runs')),
  restartMcp: () => undefined,
  maintenance: {
    backUp: () => Promise.reject(new Error('an echo has no store')),
    checkStore: () => Promise.reject(new Error('an echo has no store')),
  },
  memory: {
    inspect: () => Promise.reject(new Error('an echo has no memory')),
    rebuild: () => Promise.reject(new Error('an echo has no memory')),
  },
  route: () => 'main',
  status: () => Promise.reject(new Error('an echo has no status')),
});
await shards.start();
console.log(await server.listen('127.0.0.1', 0));
process.once('SIGTERM', () => {
  server.close();
  void shards.stop(0);
});
