/**
 * Whole messages over 1,000 connections and as many sessions: decode, route, journal with its flush, ack, a run of the
 * offline model, five deltas, journal, final event. A message counts when its `run.end` has arrived.
 */
import type { BenchReport } from '../report.ts';
import { createSessions, startGateway } from './server.ts';
import { frameFile, wsload } from './wsload.ts';

const SESSIONS = 1_000;
/** `run.end` as msgpack, anywhere in a frame. */
const RUN_END = `${Buffer.from('\xa7run.end', 'latin1').toString('hex')}@*`;
/** The offline model answers this in exactly five pieces. */
const TEXT = 'hello there';

export async function run(): Promise<BenchReport> {
  const gateway = await startGateway();
  try {
    await createSessions(gateway, SESSIONS);
    const auth = { token: gateway.token };
    const init = frameFile('hello', { protocol: [1, 1], client: { name: 'wsload', version: '1' }, auth });
    const payload = frameFile('message.send', { session: 'agent:main:dm:api:########', text: TEXT });
    const load = { port: gateway.port, pid: gateway.pid, conns: SESSIONS, init, 'init-replies': 1, payload };
    const options = { ...load, 'reply-match': RUN_END, warmup: 2, duration: 5 };
    // First the steady load: after the full one a heap of hundreds of megabytes is still being collected.
    const steady = await wsload({ ...options, window: 16, rate: 1_000 });
    const full = await wsload({ ...options, window: 8 });
    return {
      name: 'whole messages, offline model, 1,000 sessions',
      rows: [
        { label: 'answered, window 8', value: full.msg_s, unit: 'messages/s', aim: '≥ 8,000, better 20,000' },
        { label: 'frames to clients meanwhile', value: full.frame_s, unit: 'frames/s' },
        { label: 'gateway CPU meanwhile', value: full.srv_cpu, unit: 'cores' },
        { label: 'load generator meanwhile', value: full.gen_cpu, unit: 'cores' },
        { label: 'at 1,000 messages/s: p50', value: steady.lat_us.p50 / 1_000, unit: 'ms' },
        { label: 'at 1,000 messages/s: p99', value: steady.lat_us.p99 / 1_000, unit: 'ms', aim: '≤ 30' },
        { label: 'at 1,000 messages/s: gateway CPU', value: steady.srv_cpu, unit: 'cores' },
      ],
    };
  } finally {
    await gateway.stop();
  }
}
