/**
 * Goal: however many ask and approve at once, at most three people wait for an account, a code is good for an hour to the
 * millisecond, nobody is there twice, and one approval wins (scorecard 27). Method: threads with stores of their own on one
 * data folder, requests over several connections to a gateway with two shards, and an injected clock.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import {
  CODE_TTL_MS,
  Pairing,
  type PairingAnswer,
  type PairingDependencies,
  PENDING_MAX,
} from '../../src/inbound/pairing.ts';
import { Store } from '../../src/storage/store.ts';
import { localGateway } from '../support/gateway.ts';
import { person } from '../support/inbound.ts';
import type { PairingWorkerData } from '../support/pairing-worker.ts';
import { tempFolder } from '../support/temp-folder.ts';

const HUNDRED = Array.from({ length: 100 }, (_, i) => `${i + 1}`);

async function openStore(home?: string): Promise<Store> {
  const store = new Store(home ?? (await tempFolder()));
  onTestFinished(() => store.close().catch(() => undefined));
  return store;
}

async function setUp(options: Partial<PairingDependencies> = {}) {
  const store = await openStore();
  const at = { now: 1_700_000_000_000 };
  const pairing = new Pairing({ table: store.pairing, now: () => at.now, ...options });
  const ask = (id: string, account = 'default') => pairing.request('telegram', account, person(id));
  return { store, at, pairing, ask };
}

const codeOf = (answer: PairingAnswer | undefined) => (answer?.type === 'told' ? answer.request.code : '');
const won = (outcomes: PromiseSettledResult<unknown>[]) => outcomes.filter(({ status }) => status === 'fulfilled');

/** What those who ask in a thread of their own are answered. */
async function askInThread(data: PairingWorkerData): Promise<{ go(): Promise<PairingAnswer[]> }> {
  const worker = new Worker(new URL('../support/pairing-worker.ts', import.meta.url), { workerData: data });
  onTestFinished(async () => {
    await worker.terminate();
  });
  await once(worker, 'message');
  return {
    async go() {
      worker.postMessage('go');
      const [answers] = await once(worker, 'message');
      return answers;
    },
  };
}

it('of 100 people who ask at once, on two threads, three get codes, each another, and the rest get nothing', async () => {
  const home = await tempFolder();
  const threads = await Promise.all([
    askInThread({ home, users: HUNDRED.slice(0, 50) }),
    askInThread({ home, users: HUNDRED.slice(50) }),
  ]);
  const answers = (await Promise.all(threads.map((thread) => thread.go()))).flat();
  const told = answers.filter(({ type }) => type === 'told');
  expect(told).toHaveLength(PENDING_MAX);
  expect(new Set(told.map(codeOf)).size).toBe(PENDING_MAX);
  expect(answers.filter((answer) => answer.type === 'silent' && answer.reason === 'full')).toHaveLength(97);
  const store = await openStore(home);
  expect(store.pairing.requests()).toHaveLength(PENDING_MAX);
});

it('one person who asks 100 times at once, on two threads, is one request, told once', async () => {
  const home = await tempFolder();
  const users = Array.from({ length: 50 }, () => '1');
  const threads = await Promise.all([askInThread({ home, users }), askInThread({ home, users })]);
  const answers = (await Promise.all(threads.map((thread) => thread.go()))).flat();
  expect(answers.filter(({ type }) => type === 'told')).toHaveLength(1);
  expect((await openStore(home)).pairing.requests()).toHaveLength(1);
});

it('of 100 approvals and rejections of one code at once, over ten connections and two shards, one wins', async () => {
  const gateway = await localGateway({ shards: { count: 2 } });
  const store = await openStore(gateway.home);
  const pairing = new Pairing({ table: store.pairing, now: Date.now });
  const watcher = await gateway.connect();
  await watcher.ask('pairing.list', { watch: true });
  const clients = await Promise.all(Array.from({ length: 10 }, () => gateway.connect()));
  for (const [round, user] of HUNDRED.slice(0, 5).entries()) {
    const code = codeOf(await pairing.request('telegram', 'default', person(user)));
    const outcomes = await Promise.allSettled(
      HUNDRED.map((_, i) => {
        const type = i % 4 === 3 ? 'pairing.reject' : 'pairing.approve';
        return clients[i % 10]!.ask(type, { channel: 'telegram', code });
      }),
    );
    expect(won(outcomes)).toHaveLength(1);
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused.every((outcome) => String((outcome as PromiseRejectedResult).reason).includes('not_found'))).toBe(
      true,
    );
    const resolved = await watcher.when(() => {
      const events = watcher.frames.filter(({ type }) => type === 'pairing.resolved');
      return events.length > round ? events : undefined;
    });
    expect(resolved).toHaveLength(round + 1);
    const isPaired = store.pairing.grant(['telegram', 'default', 'paired', user]) !== undefined;
    expect([isPaired ? 'approved' : 'rejected', user]).toEqual([
      resolved[round]?.data?.outcome,
      resolved[round]?.data?.user,
    ]);
  }
});

it('while 100 people ask again and again and operators approve what they see, never do more than three wait', async () => {
  const gateway = await localGateway({ shards: { count: 2 } });
  const store = await openStore(gateway.home);
  const pairing = new Pairing({ table: store.pairing, now: Date.now });
  const operators = await Promise.all([gateway.connect(), gateway.connect()]);
  const paired = new Set<string>();
  let most = 0;
  const approveAll = async (operator: (typeof operators)[number]) => {
    while (paired.size < HUNDRED.length) {
      const { pending } = await operator.ask('pairing.list');
      most = Math.max(most, pending.length);
      for (const { channel, code } of pending) {
        const approved = await operator.ask('pairing.approve', { channel, code }).catch(() => undefined);
        if (approved === undefined) continue; // the other one was quicker
        expect(paired).not.toContain(approved.user);
        paired.add(approved.user);
      }
    }
  };
  const askUntilPaired = async (id: string) => {
    for (;;) {
      const { type } = await pairing.request('telegram', 'default', person(id));
      if (type === 'paired') return;
      most = Math.max(most, store.pairing.requests().length);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all([...operators.map(approveAll), ...HUNDRED.map(askUntilPaired)]);
  expect([most, paired.size, store.pairing.requests().length]).toEqual([PENDING_MAX, 100, 0]);
  expect(store.pairing.peers('telegram', 'default', 'paired').sort()).toEqual(HUNDRED.toSorted());
});

it('a code is good for an hour, to the millisecond, and then its place is free', async () => {
  const { at, pairing, ask } = await setUp();
  const start = at.now;
  const codes = [];
  for (const id of ['1', '2', '3']) codes.push(codeOf(await ask(id)));
  at.now = start + CODE_TTL_MS - 1;
  expect(await ask('4')).toEqual({ type: 'silent', reason: 'full' });
  expect(pairing.pending()).toHaveLength(3);
  expect(await pairing.approve('telegram', codes[0]!)).toMatchObject({ user: '1' });
  at.now = start + CODE_TTL_MS;
  expect(pairing.pending()).toEqual([]);
  await expect(pairing.approve('telegram', codes[1]!)).rejects.toMatchObject({ code: 'not_found' });
  await expect(pairing.reject('telegram', codes[2]!)).rejects.toMatchObject({ code: 'not_found' });
  const answers = [await ask('2'), await ask('4'), await ask('5'), await ask('6')];
  expect(answers.map(({ type }) => type)).toEqual(['told', 'told', 'told', 'silent']);
  expect(codes).not.toContain(codeOf(answers[0]));
});

it('each account has three places of its own, and no two codes of a channel are the same', async () => {
  const drawn = ['AAAAAAAA', 'AAAAAAAA', 'BBBBBBBB', 'AAAAAAAA', 'BBBBBBBB', 'CCCCCCCC'];
  const { pairing, ask } = await setUp({ newCode: () => drawn.shift() ?? 'none left' });
  const codes = [await ask('1', 'work'), await ask('1', 'home'), await ask('2', 'work')].map(codeOf);
  expect(codes).toEqual(['AAAAAAAA', 'BBBBBBBB', 'CCCCCCCC']);
  await pairing.approve('telegram', 'BBBBBBBB');
  expect([(await ask('1', 'home')).type, (await ask('1', 'work')).type]).toEqual(['paired', 'silent']);
});
