/**
 * Ten thousand authenticated connections: what each costs while it says nothing, how fast they come, and what a thousand
 * messages a second are like beside them. Needs `ulimit -n` of 11,000 for gateway and generator each.
 */
import { type Client, connect } from '../../src/client/client.ts';
import type { BenchReport } from '../report.ts';
import { ownMb, residentMb } from './process-stats.ts';
import { createSessions, type GatewayUnderLoad, startGateway } from './server.ts';
import { frameFile, wsload } from './wsload.ts';

const CONNECTIONS = 10_000;
const SENDERS = 1_000;
/** Enough that garbage not yet collected, some 20 MB, does not count for much. */
const MEASURED_SESSIONS = 40_000;
const RUN_END = `${Buffer.from('\xa7run.end', 'latin1').toString('hex')}@*`;

export async function run(): Promise<BenchReport> {
  const gateway = await startGateway();
  try {
    await createSessions(gateway, SENDERS);
    const auth = { token: gateway.token };
    const init = frameFile('hello', { protocol: [1, 1], client: { name: 'wsload', version: '1' }, auth });
    const payload = frameFile('message.send', { session: 'agent:main:dm:api:########', text: 'hello there' });
    const load = { port: gateway.port, pid: gateway.pid, conns: CONNECTIONS, init, 'init-replies': 1, parallel: 256 };
    const handshakeMs = await oneByOne(gateway);
    const idle = await wsload({ ...load, mode: 'hold', duration: 10, src: '127.0.0.2-127.0.0.9' });
    const client = await connect({ url: `ws://127.0.0.1:${gateway.port}/ws`, token: gateway.token });
    await client.request('status', {}); // the lag is counted from here
    const options = { ...load, payload, senders: SENDERS, window: 16, rate: 1_000, 'reply-match': RUN_END };
    const busy = await wsload({ ...options, warmup: 3, duration: 8, src: '127.0.0.2-127.0.0.9' });
    const { loopLagMs } = await client.request('status', {});
    const before = { own: ownMb(gateway.pid), all: residentMb(gateway.pid) };
    for (let i = 0; i < MEASURED_SESSIONS; i += 500) {
      await Promise.all(Array.from({ length: 100 }, (_, j) => createFive(client, i + 5 * j)));
      await new Promise((resolve) => setTimeout(resolve, 30)); // the limit of requests a second
    }
    const perSessionKb = (grownMb: number) => (grownMb * 1e6) / 1_024 / MEASURED_SESSIONS;
    const ownKb = perSessionKb(ownMb(gateway.pid) - before.own);
    const allKb = perSessionKb(residentMb(gateway.pid) - before.all);
    await client.close();
    const grownKb = idle.rss_kb[1] - idle.rss_kb[0];
    return {
      name: '10,000 connections, authenticated',
      rows: [
        { label: 'handshake with welcome, one at a time, p50', value: handshakeMs, unit: 'ms', aim: '≤ 2' },
        { label: 'handshakes with welcome, in parallel', value: idle.hs_s, unit: 'a second', aim: '≥ 5,000' },
        { label: 'gateway memory for each', value: grownKb / CONNECTIONS, unit: 'KB', aim: '≤ 3' },
        { label: 'gateway CPU while they are idle', value: idle.srv_cpu * 100, unit: '% of a core', aim: '≤ 1' },
        { label: '1,000 messages/s beside them: p50', value: busy.lat_us.p50 / 1_000, unit: 'ms' },
        { label: '1,000 messages/s beside them: p99', value: busy.lat_us.p99 / 1_000, unit: 'ms', aim: '≤ 30' },
        { label: 'front-end event loop late meanwhile: p99', value: loopLagMs.p99, unit: 'ms', aim: '≤ 10' },
        { label: 'memory of a session', value: ownKb, unit: 'KB', aim: '≤ 4' },
        { label: 'the same with pages of the store that the kernel caches', value: allKb, unit: 'KB' },
        { label: 'open at the end', value: busy.alive, unit: 'connections' },
      ],
    };
  } finally {
    await gateway.stop();
  }
}

async function createFive(client: Client, first: number): Promise<void> {
  for (let i = first; i < first + 5; i++) await client.request('session.create', { user: `m${i}` });
}

/** Median time to connect and be welcomed, in milliseconds. */
async function oneByOne({ port, token }: GatewayUnderLoad): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const startedAt = performance.now();
    const client = await connect({ url: `ws://127.0.0.1:${port}/ws`, token });
    times.push(performance.now() - startedAt);
    await client.close();
  }
  return times.toSorted((a, b) => a - b)[times.length >> 1] as number;
}
