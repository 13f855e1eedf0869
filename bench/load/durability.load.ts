/**
 * What durability costs, and what comes back how fast: the same path with and without the flush, unfinished messages after a
 * crash, a session that is not in memory, a start with many sessions on the disk.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '../../src/client/client.ts';
import type { HistoryEntry, Session } from '../../src/protocol/messages.ts';
import { Store } from '../../src/storage/store.ts';
import type { BenchReport, BenchRow } from '../report.ts';
import { createSessions, newHome, startGateway } from './server.ts';
import { frameFile, wsload } from './wsload.ts';

const SESSIONS = 1_000;
const ROUNDS = 3;
const PENDING = 10_000;
const SLEEPING = 200;
const MANY = 100_000;
const RUN_END = `${Buffer.from('\xa7run.end', 'latin1').toString('hex')}@*`;

export async function run(): Promise<BenchReport> {
  return {
    name: 'durability',
    rows: [...(await flushing()), await recovering(), ...(await waking()), ...(await startingWithMany())],
  };
}

/** 1,000 messages a second with and without the flush, in turns. */
async function flushing(): Promise<BenchRow[]> {
  const found = {
    true: { cpu: [] as number[], p50: [] as number[] },
    false: { cpu: [] as number[], p50: [] as number[] },
  };
  for (let round = 0; round < ROUNDS; round++) {
    for (const flush of ['true', 'false'] as const) {
      const home = newHome();
      writeFileSync(join(home, 'dhaavak.yaml'), `storage: { flush: ${flush} }\n`);
      const gateway = await startGateway({}, [], home);
      await createSessions(gateway, SESSIONS);
      const auth = { token: gateway.token };
      const report = await wsload({
        port: gateway.port,
        pid: gateway.pid,
        conns: SESSIONS,
        init: frameFile('hello', { protocol: [1, 1], client: { name: 'wsload', version: '1' }, auth }),
        'init-replies': 1,
        payload: frameFile('message.send', { session: 'agent:main:dm:api:########', text: 'hello there' }),
        'reply-match': RUN_END,
        window: 16,
        rate: 1_000,
        warmup: 2,
        duration: 4,
      });
      found[flush].cpu.push((report.srv_cpu / report.msg_s) * 1e6);
      found[flush].p50.push(report.lat_us.p50 / 1_000);
      await gateway.stop();
    }
  }
  const [cpu, plainCpu] = [median(found.true.cpu), median(found.false.cpu)];
  const [p50, plainP50] = [median(found.true.p50), median(found.false.p50)];
  return [
    { label: 'at 1,000 messages/s, without the flush: CPU', value: plainCpu, unit: 'µs/message' },
    { label: 'with it', value: cpu, unit: 'µs/message', ratio: cpu / plainCpu, aim: '≤ 1.5' },
    { label: 'at 1,000 messages/s, without the flush: to the final event, p50', value: plainP50, unit: 'ms' },
    { label: 'with it: two flushes', value: p50, unit: 'ms', ratio: p50 / plainP50 },
  ];
}

/** From the start of the process until every message that was accepted and not run has been answered. */
async function recovering(): Promise<BenchRow> {
  const home = newHome();
  await fill(home, SESSIONS, PENDING / SESSIONS, 'pending');
  const startedAt = performance.now();
  const gateway = await startGateway({}, [], home);
  const store = new Store(home);
  while (!isEmpty(store)) await new Promise((resolve) => setTimeout(resolve, 20));
  const took = (performance.now() - startedAt) / 1_000;
  await store.close();
  await gateway.stop();
  return {
    label: `${PENDING} pending messages of ${SESSIONS} sessions: start to the last answer`,
    value: took,
    unit: 's',
    aim: '≤ 5',
  };
}

function isEmpty(store: Store): boolean {
  for (const _ of store.inbox.getKeys({ limit: 1 })) return false;
  return true;
}

/** A message to a session that is on the disk only, with 200 entries, against the next one to the same. */
async function waking(): Promise<BenchRow[]> {
  const home = newHome();
  await fill(home, SLEEPING, 100, 'answered');
  const gateway = await startGateway({}, [], home);
  const client = await connect({ url: `ws://127.0.0.1:${gateway.port}/ws`, token: gateway.token });
  const [cold, warm]: [number[], number[]] = [[], []];
  for (let user = 0; user < SLEEPING; user++) {
    for (const times of [cold, warm]) {
      const startedAt = performance.now();
      for await (const { type } of client.run({ session: keyOf(user), text: 'hello' })) {
        if (type === 'message.delta') break;
      }
      times.push(performance.now() - startedAt);
    }
  }
  await client.close();
  await gateway.stop();
  return [
    { label: 'first delta of a session in memory, p50', value: median(warm), unit: 'ms' },
    { label: 'of one that is woken, p50', value: median(cold), unit: 'ms', ratio: median(cold) / median(warm) },
    { label: 'waking alone', value: median(cold) - median(warm), unit: 'ms', aim: '≤ 5' },
  ];
}

async function startingWithMany(): Promise<BenchRow[]> {
  const full = newHome();
  await fill(full, MANY, 1, 'answered');
  const [empty, many]: [number[], number[]] = [[], []];
  for (let start = 0; start < 5; start++) {
    const plain = await startGateway();
    empty.push(plain.readyMs);
    await plain.stop();
    const gateway = await startGateway({}, [], full, { keep: start < 4 });
    many.push(gateway.readyMs);
    await gateway.stop();
  }
  return [
    { label: 'ready with nothing on the disk', value: median(empty), unit: 'ms' },
    {
      label: `ready with ${MANY} sessions`,
      value: median(many),
      unit: 'ms',
      ratio: median(many) / median(empty),
      aim: '≤ 1.2',
    },
  ];
}

/** Writes sessions with `turns` messages each, answered or still pending, as a gateway would have. */
async function fill(home: string, sessions: number, turns: number, state: 'answered' | 'pending'): Promise<void> {
  const store = new Store(home, { flush: false });
  for (let user = 0; user < sessions; user++) {
    const key = keyOf(user);
    const commit = store.journal.commit((batch) => {
      batch.put(store.sessions, key, sessionOf(key, user));
      for (let turn = 0; turn < turns; turn++) {
        const message = `m${user}-${turn}`;
        const seq = state === 'pending' ? turn + 1 : 2 * turn + 1;
        const entry: HistoryEntry = { seq, role: 'user', text: 'hello there', timestamp: 1, message };
        batch.put(store.entries, [key, seq], entry);
        if (state === 'pending') batch.put(store.inbox, [key, seq], { message });
        else
          batch.put(store.entries, [key, seq + 1], { ...entry, seq: seq + 1, role: 'assistant', run: `r${message}` });
      }
    });
    if (user % 1_000 === 999 || user === sessions - 1) await commit;
  }
  await store.close();
}

function keyOf(user: number): string {
  return `agent:main:dm:api:${String(user).padStart(8, '0')}`;
}

function sessionOf(id: string, user: number): Session {
  return {
    id,
    agent: 'main',
    type: 'dm',
    channel: 'api',
    user: String(user).padStart(8, '0'),
    title: null,
    model: null,
    thinkingLevel: 'off',
    followUp: null,
    tokensUsed: 0,
    costUsed: 0,
    createdAt: 1,
    lastActive: 1,
  };
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}
