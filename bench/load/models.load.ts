/**
 * Whole messages through the real OpenAI SDK: gateway, a local OpenAI-compatible server and the load generator share the
 * machine's cores. The baseline is the SDK alone in a process of its own, with the same server and as many at once.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { OPENAI_KEY, OPENAI_MODEL } from '../../test/support/openai-server.ts';
import type { BenchReport } from '../report.ts';
import { createSessions, startGateway, startScript } from './server.ts';
import { frameFile, wsload } from './wsload.ts';

const SESSIONS = 200;
const RUN_END = `${Buffer.from('\xa7run.end', 'latin1').toString('hex')}@*`;

export async function run(): Promise<BenchReport> {
  const server = await startScript('openai-server.ts');
  const baseUrl = `http://127.0.0.1:${server.port}/v1`;
  const gateway = await startGateway({ OPENAI_API_KEY: OPENAI_KEY, OPENAI_BASE_URL: baseUrl });
  try {
    const script = fileURLToPath(new URL('./openai-sdk.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [script, baseUrl, String(SESSIONS)]);
    const alone = Number(stdout);
    await createSessions(gateway, SESSIONS, `openai/${OPENAI_MODEL}`);
    const auth = { token: gateway.token };
    const init = frameFile('hello', { protocol: [1, 1], client: { name: 'wsload', version: '1' }, auth });
    const payload = frameFile('message.send', { session: 'agent:main:dm:api:########', text: 'hello there' });
    const load = { port: gateway.port, pid: gateway.pid, conns: SESSIONS, init, 'init-replies': 1, payload };
    const report = await wsload({ ...load, 'reply-match': RUN_END, warmup: 2, duration: 5 });
    return {
      name: `whole messages, OpenAI SDK, ${SESSIONS} sessions`,
      rows: [
        { label: 'the SDK alone, no gateway', value: alone, unit: 'answers/s', ratio: 1 },
        {
          label: 'answered',
          value: report.msg_s,
          unit: 'messages/s',
          ratio: report.msg_s / alone,
          aim: '≥ 400, better 1,000',
        },
        { label: 'p99', value: report.lat_us.p99 / 1_000, unit: 'ms' },
        { label: 'gateway CPU meanwhile', value: report.srv_cpu, unit: 'cores' },
      ],
    };
  } finally {
    await Promise.all([gateway.stop(), server.stop()]);
  }
}
