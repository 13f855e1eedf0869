/**
 * Goal: nothing on the way of a turn grows with the conversation. Method: what is read, sent and kept at hand is counted in
 * conversations of 300 and of 10,000 turns. `npm run bench -- turns` measures the time.
 */
import { expect, it, onTestFinished, vi } from 'vitest';
import { newTurn } from '../../actors/session/turn.ts';
import { HISTORY_MESSAGES_MAX, HISTORY_TURNS_MAX } from '../../src/agent/context.ts';
import type { ModelProvider, ModelRequest } from '../../src/agent/provider.ts';
import { Store } from '../../src/storage/store.ts';
import { modelsOf, newId, sessionSystem } from '../support/session-system.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { holds } from '../support/wait.ts';

const KEY = 'agent:main:main';
/** Enough for two summaries. */
const MESSAGES = 90;

/** A store whose transcript has so many turns of a question and an answer. */
async function storeOf(turns: number): Promise<Store> {
  const store = new Store(await tempFolder(), { flush: false });
  onTestFinished(() => store.close());
  await store.journal.commit((batch) => {
    for (let turn = 0; turn < turns; turn += 1) {
      const message = `m${turn}`;
      const seq = 2 * turn + 1;
      batch.put(store.entries, [KEY, seq], { seq, role: 'user', text: `question ${turn}`, timestamp: 0, message });
      const answer = { seq: seq + 1, role: 'assistant' as const, text: `answer ${turn}`, timestamp: 0, message };
      batch.put(store.entries, [KEY, seq + 1], answer);
    }
  });
  return store;
}

/** How many values of the store's tables are read from now on. */
function countReads(store: Store): () => number {
  let reads = 0;
  for (const table of [store.entries, store.inbox, store.sessions, store.summaries, store.images]) {
    const { get, getRange } = table;
    vi.spyOn(table as typeof store.entries, 'get').mockImplementation((...args) => {
      reads += 1;
      return (get as typeof store.entries.get).apply(table as typeof store.entries, args);
    });
    vi.spyOn(table as typeof store.entries, 'getRange').mockImplementation((...args) => {
      const range = (getRange as typeof store.entries.getRange).apply(table as typeof store.entries, args);
      return range.map((entry) => {
        reads += 1;
        return entry;
      });
    });
  }
  return () => reads;
}

async function work(turns: number): Promise<{ first: number; later: number; sent: number; summaries: number }> {
  const store = await storeOf(turns);
  const requests: ModelRequest[] = [];
  const provider: ModelProvider = {
    name: 'counting',
    async *stream(request) {
      requests.push(request);
      yield { type: 'text', text: 'ok' };
      yield { type: 'end', reason: 'stop', usage: { inputTokens: 10, outputTokens: 1 } };
    },
  };
  const reads = countReads(store);
  const running = sessionSystem({ store, models: modelsOf(provider) });
  onTestFinished(async () => void (await running.system.drain(0)));
  const say = async () => {
    const ended = running.eventsOf('run.end').length;
    await running.session(KEY).tell(newTurn(newId(), 'hello'));
    await holds(() => running.eventsOf('run.end').length > ended);
  };
  await say();
  const first = reads();
  for (let message = 1; message < MESSAGES; message += 1) await say();
  const summaries = running.eventsOf('session.compacted').filter(({ status }) => status === 'ok').length;
  const sent = Math.max(...requests.map(({ messages }) => messages.length));
  return { first, later: reads() - first, sent, summaries };
}

it('a turn reads, sends and keeps no more after 10,000 turns than after 300', async () => {
  const short = await work(300);
  const long = await work(10_000);
  expect(long.first).toBe(short.first);
  expect(short.first).toBeLessThan(2 * HISTORY_MESSAGES_MAX);
  // The times at which a summary is made differ by the moment.
  expect(Math.abs(long.later - short.later)).toBeLessThan(20);
  expect(long.later / MESSAGES).toBeLessThan(5);
  expect(long.sent).toBeLessThanOrEqual(2 * HISTORY_TURNS_MAX + 2);
  expect(long.summaries).toBeGreaterThan(1);
});
