/**
 * What the memory costs a conversation, and what it gives: whole messages with it and without in turns; then, over a store of
 * 100,000 entries that is indexed at full speed, how late the shard's event loop is and how long searches take; and how soon after a
 * restart the first search is answered.
 */
import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, connect } from '../../src/client/client.ts';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import { sessionOfKey } from '../../src/storage/session-record.ts';
import { Store } from '../../src/storage/store.ts';
import { seeded } from '../../test/support/random.ts';
import type { BenchReport, BenchRow } from '../report.ts';
import { createSessions, type GatewayUnderLoad, newHome, startGateway } from './server.ts';
import { frameFile, wsload } from './wsload.ts';

const ROUNDS = 3;
const SESSIONS = 200;
const MESSAGES_PER_SECOND = 300;
const RUN_END = `${Buffer.from('\xa7run.end', 'latin1').toString('hex')}@*`;

const ENTRIES = 100_000;
const TRANSCRIPTS = 100;
/** How long the shard is watched while entries are taken in, in milliseconds. */
const WATCHED_MS = 20_000;
const WORDS = 4_000;

export async function run(): Promise<BenchReport> {
  return { name: 'memory', rows: [...(await costOfMessages()), ...(await indexing())] };
}

/** p99 of whole messages, in rounds that take turns: the machine's moods meet both. */
async function costOfMessages(): Promise<BenchRow[]> {
  const times: Record<'with' | 'without', number[]> = { with: [], without: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const how of round % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const)) {
      times[how].push(await latency(how === 'with'));
    }
  }
  const [with_, without] = [median(times.with), median(times.without)];
  const at = `at ${MESSAGES_PER_SECOND} messages/s: p99`;
  return [
    { label: `${at} without memory`, value: without, unit: 'ms' },
    { label: `${at} with memory`, value: with_, unit: 'ms', ratio: with_ / without, aim: '≤ 1.2' },
  ];
}

async function latency(enabled: boolean): Promise<number> {
  const gateway = await startGateway({}, [], homeWith({ memory: { enabled } }));
  try {
    await createSessions(gateway, SESSIONS);
    const auth = { token: gateway.token };
    const { lat_us } = await wsload({
      port: gateway.port,
      pid: gateway.pid,
      conns: SESSIONS,
      init: frameFile('hello', { protocol: [1, 1], client: { name: 'wsload', version: '1' }, auth }),
      'init-replies': 1,
      payload: frameFile('message.send', { session: 'agent:main:dm:api:########', text: 'hello there' }),
      'reply-match': RUN_END,
      warmup: 4, // the memory's thread is there then
      duration: 8,
      window: 16,
      rate: MESSAGES_PER_SECOND,
    });
    return lat_us.p99 / 1_000;
  } finally {
    await gateway.stop();
  }
}

async function indexing(): Promise<BenchRow[]> {
  const home = homeWith({ shards: { count: 1 }, memory: { embedder: { provider: 'offline' } } });
  await fill(home);
  try {
    const [watched, took] = await takenIn(home);
    return [...watched, { label: `${ENTRIES} entries taken in`, value: took, unit: 's' }, ...(await restarted(home))];
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** Has everything taken in while somebody searches; what is seen of the shard and the searches, and how long it took, in seconds. */
async function takenIn(home: string): Promise<[BenchRow[], number]> {
  const gateway = await startGateway({}, [], home, { keep: true });
  const client = await connectTo(gateway);
  try {
    const idle = await lagOver(client, 5_000);
    const crowded = await lagBesideSpinner(client);
    const startedAt = performance.now();
    await client.request('memory.rebuild', {});
    const times: number[] = [];
    const lagged = lagOver(client, WATCHED_MS);
    while (performance.now() - startedAt < WATCHED_MS) {
      times.push(await timeOfSearch(client, times.length));
      await sleep(20);
    }
    const during = await lagged;
    while ((await pending(client)) > 0) await sleep(500);
    const took = (performance.now() - startedAt) / 1_000;
    const after: number[] = [];
    for (let n = 0; n < 300; n++) after.push(await timeOfSearch(client, n));
    return [
      [
        { label: 'shard’s event loop, nothing to do: latest', value: idle, unit: 'ms' },
        { label: 'shard’s event loop, another process spins: latest', value: crowded, unit: 'ms' },
        {
          label: 'shard’s event loop, while indexing: latest',
          value: during,
          unit: 'ms',
          ratio: during / crowded,
          aim: '≤ 10 ms, on a machine that is not full',
        },
        { label: 'memory.search while indexing: p50', value: percentile(times, 0.5), unit: 'ms' },
        { label: 'memory.search while indexing: p99', value: percentile(times, 0.99), unit: 'ms' },
        { label: `memory.search among ${ENTRIES}: p50`, value: percentile(after, 0.5), unit: 'ms' },
        { label: `memory.search among ${ENTRIES}: p99`, value: percentile(after, 0.99), unit: 'ms' },
      ],
      took,
    ];
  } finally {
    await client.close();
    await gateway.stop();
  }
}

/** From a gateway that listens to the answer to its first search. */
async function restarted(home: string): Promise<BenchRow[]> {
  const gateway = await startGateway({}, [], home, { keep: true });
  const client = await connectTo(gateway);
  try {
    const first = await timeOfSearch(client, 0);
    const second = await timeOfSearch(client, 1);
    return [
      { label: `after a restart, first search among ${ENTRIES}`, value: first, unit: 'ms', aim: '≤ 1,000' },
      { label: 'the second', value: second, unit: 'ms' },
    ];
  } finally {
    await client.close();
    await gateway.stop();
  }
}

/** The same while another process takes as much of the machine as the memory's thread does: what is the machine's part. */
async function lagBesideSpinner(client: Client): Promise<number> {
  const spinner = spawn('nice', ['-n', '10', process.execPath, '-e', 'for (;;);'], { stdio: 'ignore' });
  try {
    return await lagOver(client, WATCHED_MS);
  } finally {
    spinner.kill('SIGKILL');
  }
}

/** How late the one shard's event loop was at the latest, in milliseconds. */
async function lagOver(client: Client, forMs: number): Promise<number> {
  await client.request('status', {});
  await sleep(forMs);
  const { shards } = await client.request('status', {});
  return shards[0]?.loopLagMs.max ?? 0;
}

async function pending(client: Client): Promise<number> {
  const { agents } = await client.request('memory.status', {});
  return agents.reduce((sum, { pending }) => sum + pending, 0);
}

async function timeOfSearch(client: Client, n: number): Promise<number> {
  const startedAt = performance.now();
  await client.request('memory.search', {
    query: `word${n % WORDS} word${(n * 7) % WORDS} and word${(n * 13) % WORDS}`,
  });
  return performance.now() - startedAt;
}

/** Transcripts, straight into a store. */
async function fill(home: string): Promise<void> {
  const store = new Store(home, { flush: false });
  const random = seeded(7);
  const start = Date.now() - ENTRIES * 60_000;
  const each = ENTRIES / TRANSCRIPTS;
  for (let transcript = 0; transcript < TRANSCRIPTS; transcript++) {
    const session = `agent:main:dm:api:user-${transcript}`;
    await store.journal.commit((batch) => {
      batch.put(store.sessions, session, sessionOfKey(session, start));
      for (let seq = 1; seq <= each; seq++) {
        const text = Array.from({ length: 24 }, () => `word${random(WORDS)}`).join(' ');
        const timestamp = start + (transcript * each + seq) * 60_000;
        const entry: HistoryEntry = { seq, role: seq % 2 ? 'user' : 'assistant', text, timestamp, message: `m${seq}` };
        batch.put(store.entries, [session, seq], entry);
      }
    });
  }
  await store.close();
}

function homeWith(config: object): string {
  const home = newHome();
  writeFileSync(join(home, 'dhaavak.yaml'), JSON.stringify(config)); // JSON is YAML
  return home;
}

function connectTo({ port, token }: GatewayUnderLoad): Promise<Client> {
  return connect({ url: `ws://127.0.0.1:${port}/ws`, token });
}

function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
