/** Goal: nothing is written to a session that is deleted meanwhile. Method: a summary, and a failed delivery, that come late. */
import { expect, it, onTestFinished } from 'vitest';
import { Store } from '../../src/storage/store.ts';
import { putTurns } from '../support/past-turns.ts';
import { modelsOf, sessionSystem } from '../support/session-system.ts';
import { tempFolder } from '../support/temp-folder.ts';

const KEY = 'agent:main:dm:api:ada';

it('a summary that is being made when its session is deleted is not written, nor into a session that is made again', async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const store = new Store(await tempFolder(), { flush: false });
  const models = modelsOf({
    name: 'slow',
    async *stream() {
      asked.resolve();
      await answer.promise;
      yield { type: 'text', text: 'a summary' };
      yield { type: 'end', reason: 'stop', usage: null };
    },
  });
  const { system, session, eventsOf } = sessionSystem({ store, models });
  onTestFinished(async () => {
    await system.drain(0);
    await store.close();
  });
  await putTurns(store, KEY, [{ said: 'hello', answer: 'hi', at: Date.now() }]);
  const rights = { change: true, approve: true };
  const message = { message: 'c', text: '/compact', idempotencyKey: undefined, rights, acknowledge() {} };
  await session(KEY).control({ type: 'command', said: { name: 'compact', argument: '' }, message });
  const made = session(KEY).control({ type: 'compact' });
  await asked.promise;
  await session(KEY).control({ type: 'delete' });
  await session(KEY).control({ type: 'create', fields: { model: null, thinkingLevel: 'off' } });
  answer.resolve();
  await made;
  expect([...store.entries.getKeys({})]).toEqual([]);
  expect(eventsOf('session.compacted').map(({ status }) => status)).toEqual(['failed']);
});

it('a note on an answer that did not arrive does not bring an entry back that is being removed', async () => {
  const store = new Store(await tempFolder(), { flush: false });
  const { system, session } = sessionSystem({ store });
  onTestFinished(async () => {
    await system.drain(0);
    await store.close();
  });
  await putTurns(store, KEY, [{ said: 'hello', answer: 'hi', at: Date.now() }]);
  const place = { channel: 'telegram', account: 'default' };
  const delivery = { status: 'failed', reason: 'gone' } as const;
  const deleted = session(KEY).control({ type: 'delete' });
  // In every turn of the event loop until it is gone.
  let isGone = false;
  void deleted.then(() => {
    isGone = true;
  });
  const marked: Promise<unknown>[] = [];
  while (!isGone) {
    marked.push(session(KEY).control({ type: 'delivery', message: 'm1', seq: 2, place, delivery }));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(marked);
  expect([...store.entries.getKeys({})]).toEqual([]);
});
