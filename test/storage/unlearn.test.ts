/** Goal: an index is told of all that was deleted, once and for good. Method: the table alone, in a store of its own. */
import { expect, it, onTestFinished } from 'vitest';
import { Store } from '../../src/storage/store.ts';
import { KEPT_MAX, KEPT_MS, type Unlearning } from '../../src/storage/unlearn.ts';
import { tempFolder } from '../support/temp-folder.ts';

const SESSION = 'agent:main:dm:api:ada';

async function open() {
  const store = new Store(await tempFolder(), { flush: false });
  onTestFinished(() => store.close());
  const add = (agent: string, what: Unlearning, now: number) =>
    store.journal.commit((batch) => store.unlearn.add(batch, agent, what, now));
  return { store, add, list: (agent?: string) => store.unlearn.list(100, agent).map(({ record }) => record) };
}

it('keeps the newest removal of each session, and facts, by agent', async () => {
  const { add, list } = await open();
  await add('main', { session: SESSION, upTo: 10 }, 1);
  await add('main', { session: SESSION, upTo: 20 }, 2);
  await add('main', { fact: 'f1' }, 3);
  await add('other', { session: 'agent:other:main', upTo: 4 }, 4);
  expect(list('main')).toEqual([
    { fact: 'f1', at: 3 },
    { session: SESSION, upTo: 20, at: 2 },
  ]);
  expect(list('other')).toEqual([{ session: 'agent:other:main', upTo: 4, at: 4 }]);
  expect(list()).toHaveLength(3);
});

it('takes nothing of a session that was made again under the key of a deleted one', async () => {
  const { add, list } = await open();
  await add('main', { session: SESSION, upTo: 1_000 }, 1);
  await add('main', { session: SESSION }, 2);
  expect(list()).toEqual([{ session: SESSION, at: 2 }]);
  await add('main', { session: SESSION, upTo: 3 }, 3);
  expect(list()).toEqual([
    { session: SESSION, upTo: 3, at: 3 },
    { session: SESSION, at: 2 },
  ]);
});

it('keeps a record that was written again while it was being applied', async () => {
  const { store, add, list } = await open();
  await add('main', { session: SESSION, upTo: 10 }, 1);
  await add('main', { fact: 'f1' }, 1);
  const applied = store.unlearn.list(100);
  await add('main', { session: SESSION, upTo: 20 }, 1);
  await store.unlearn.forget(applied);
  expect(list()).toEqual([{ session: SESSION, upTo: 20, at: 1 }]);
  await store.unlearn.forget(store.unlearn.list(100));
  expect(list()).toEqual([]);
});

it('gives up what no index takes, and leaves word that an index has to be built anew', async () => {
  const { store, add } = await open();
  const tidy = async (now: number) => {
    for (let step = 0; step < (2 * KEPT_MAX) / 500; step++)
      await store.journal.commit(store.unlearn.tidying(now) ?? (() => {}));
    return store.unlearn.list(2 * KEPT_MAX);
  };
  await add('old', { fact: 'f1' }, 0);
  await Promise.all(Array.from({ length: KEPT_MAX + 1 }, (_, number) => add('main', { fact: `${number}` }, KEPT_MS)));
  const kept = await tidy(KEPT_MS);
  expect(kept.length).toBeLessThanOrEqual(KEPT_MAX + 1);
  expect(kept[0]).toEqual({ key: ['main', 'everything', ''], record: { everything: true, at: KEPT_MS } });
  const later = await tidy(3 * KEPT_MS);
  expect(later.map(({ key }) => key)).toEqual([
    ['main', 'everything', ''],
    ['old', 'everything', ''],
  ]);
});
