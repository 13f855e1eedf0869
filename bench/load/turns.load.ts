/**
 * One conversation of 10,000 turns with the offline model, each said when the one before is answered: whether it answers at
 * its end as fast as at its start. The last turns take turns with those of a young conversation, so that a machine that is
 * busier at the end than it was at the start says nothing. A summary is made by itself every 55 turns. TURNS: another
 * number of turns.
 */
import { type Client, connect } from '../../src/client/client.ts';
import type { BenchReport } from '../report.ts';
import { ownMb } from './process-stats.ts';
import { startGateway } from './server.ts';

const TURNS = Number(process.env.TURNS ?? 10_000);
/** Before any are counted: modules, the JIT, and a history of the usual length. */
const WARM_UP = 300;
const COUNTED = 500;
const AIM = '≤ 1.2';

export async function run(): Promise<BenchReport> {
  const gateway = await startGateway();
  try {
    const client = await connect({ url: `ws://127.0.0.1:${gateway.port}/ws`, token: gateway.token });
    const [long, young] = [await conversation(client, 'long'), await conversation(client, 'young')];
    await long.turns(WARM_UP);
    const first = await long.turns(COUNTED);
    const mb = ownMb(gateway.pid);
    await young.turns(WARM_UP);
    await long.turns(TURNS - WARM_UP - 2 * COUNTED);
    const lastMb = ownMb(gateway.pid);
    const last: number[] = [];
    const beside: number[] = [];
    for (let turn = 0; turn < COUNTED; turn += 1) {
      const pair = [long, young];
      // Whoever comes second may find the disk busy with what the first has left.
      for (const one of turn % 2 === 0 ? pair : pair.reverse()) {
        (one === long ? last : beside).push(...(await one.turns(1)));
      }
    }
    await client.close();
    return {
      name: `one conversation of ${TURNS.toLocaleString('en')} turns`,
      rows: [
        { label: `turns ${WARM_UP} to ${WARM_UP + COUNTED}: p50`, value: percentile(first, 0.5), unit: 'ms' },
        {
          label: `a young conversation, beside the last ${COUNTED}: p50`,
          value: percentile(beside, 0.5),
          unit: 'ms',
          ratio: 1,
        },
        row(`the last ${COUNTED}: p50`, percentile(last, 0.5), percentile(beside, 0.5), 'ms', AIM),
        row(`the last ${COUNTED}: p95`, percentile(last, 0.95), percentile(beside, 0.95), 'ms'),
        row('memory of its own, against that after the first', lastMb, mb, 'MB'),
        { label: 'summaries meanwhile', value: long.summaries(), unit: '' },
      ],
    };
  } finally {
    await gateway.stop();
  }
}

interface Conversation {
  /** Says so many things, one after the other; how long each took to be answered, in milliseconds. */
  turns(count: number): Promise<number[]>;
  summaries(): number;
}

async function conversation(client: Client, user: string): Promise<Conversation> {
  const { session } = await client.request('session.create', { user });
  let said = 0;
  let summaries = 0;
  client.on('session.compacted', ({ session: id, status }) => {
    if (id === session.id && status === 'ok') summaries += 1;
  });
  return {
    summaries: () => summaries,
    async turns(count) {
      const tookMs: number[] = [];
      for (let turn = 0; turn < count; turn += 1) {
        said += 1;
        const start = performance.now();
        const text = `This is turn ${said}, and I ask for ticket ABC-${said}.`;
        for await (const { type, data } of client.run({ session: session.id, text })) {
          if (type === 'run.end' && data.status !== 'ok') throw new Error(`turn ${said} ended as ${data.status}`);
        }
        tookMs.push(performance.now() - start);
      }
      return tookMs;
    },
  };
}

function row(label: string, value: number, before: number, unit: string, aim?: string) {
  return { label, value, unit, ratio: value / before, ...(aim === undefined ? {} : { aim }) };
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] as number;
}
