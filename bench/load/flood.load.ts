/**
 * One session is flooded from four connections while somebody talks in another one of the same shard: what the others
 * notice of it (scorecard 11). The flood comes at a pace the machine can take, ten times what the mailbox of one session
 * can; where it comes as fast as it can, the load generator takes the second core too, and that is no measure of the gateway.
 */
import { type Client, connect } from '../../src/client/client.ts';
import type { BenchReport } from '../report.ts';
import { startGateway } from './server.ts';
import { frameFile, wsload } from './wsload.ts';

const FLOOD_PER_SECOND = 10_000;
const CONNECTIONS = 4;
/** How long latencies are taken, without the flood and with it, in milliseconds. */
const PROBE_MS = 8_000;
/** Between an answer and the next message. */
const PAUSE_MS = 5;
const SETTLE_MS = 1_500;

export async function run(): Promise<BenchReport> {
  const gateway = await startGateway();
  try {
    const client = await connect({ url: `ws://127.0.0.1:${gateway.port}/ws`, token: gateway.token });
    const { session: flooded } = await client.request('session.create', { user: 'flooded' });
    const { session: other } = await client.request('session.create', { user: 'other' });
    await latencies(client, other.id, SETTLE_MS); // warm
    const before = await latencies(client, other.id, PROBE_MS);
    const auth = { token: gateway.token };
    const flood = wsload({
      port: gateway.port,
      pid: gateway.pid,
      conns: CONNECTIONS,
      init: frameFile('hello', { protocol: [1, 1], client: { name: 'wsload', version: '1' }, auth }),
      'init-replies': 1,
      payload: frameFile('message.send', { session: flooded.id, text: 'hello there' }),
      window: 256,
      rate: FLOOD_PER_SECOND,
      warmup: 1,
      duration: PROBE_MS / 1_000 + 1,
    });
    await pause(SETTLE_MS);
    const during = await latencies(client, other.id, PROBE_MS);
    const { msg_s, srv_cpu } = await flood;
    await client.close();
    return {
      name: `a session flooded with ${FLOOD_PER_SECOND.toLocaleString('en')} messages a second, and another one`,
      rows: [
        { label: 'messages of the flood answered or refused', value: msg_s, unit: 'a second' },
        { label: 'gateway CPU meanwhile', value: srv_cpu, unit: 'cores' },
        { label: 'the other, before: p50', value: quantile(before, 0.5), unit: 'ms' },
        { label: 'the other, before: p99', value: quantile(before, 0.99), unit: 'ms' },
        {
          label: 'the other, meanwhile: p50',
          value: quantile(during, 0.5),
          unit: 'ms',
          ratio: quantile(during, 0.5) / quantile(before, 0.5),
        },
        {
          label: 'the other, meanwhile: p99',
          value: quantile(during, 0.99),
          unit: 'ms',
          ratio: quantile(during, 0.99) / quantile(before, 0.99),
          aim: '≤ 2 × before',
        },
      ],
    };
  } finally {
    await gateway.stop();
  }
}

/** Milliseconds from sending to the end of the run, of one message after the other; sorted. */
async function latencies(client: Client, session: string, forMs: number): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    const startedAt = performance.now();
    for await (const event of client.run({ session, text: 'hi' })) void event;
    times.push(performance.now() - startedAt);
    await pause(PAUSE_MS);
  }
  return times.sort((a, b) => a - b);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.ceil(sorted.length * share) - 1] as number;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
