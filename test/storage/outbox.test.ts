/** Goal: what could not be sent is kept for an operator, within its limit. Method: a store of its own, filled past it. */
import { expect, it, onTestFinished } from 'vitest';
import { Store } from '../../src/storage/store.ts';
import { tempFolder } from '../support/temp-folder.ts';

it('keeps the newest thousand messages of an account that could not be sent, and all of the others', async () => {
  const store = new Store(await tempFolder());
  onTestFinished(() => store.close());
  const { journal, outbox } = store;
  const bury = (account: string, number: number) =>
    journal.commit((batch) => {
      const what = {
        channel: 'telegram',
        account,
        chat: `${number}`,
        at: number,
        status: 'failed' as const,
        reason: 'no',
      };
      outbox.bury(batch, String(number).padStart(6, '0'), what);
    });
  await bury('home', 0);
  await Promise.all(Array.from({ length: 999 }, (_, number) => bury('work', number)));
  for (const number of [999, 1_000, 1_001]) await bury('work', number);
  const kept = outbox.undelivered('telegram:work', 2_000).map(({ at }) => at);
  expect([kept.length, kept[0], kept.at(-1)]).toEqual([1_000, 2, 1_001]);
  expect(outbox.undelivered('telegram:home', 2_000)).toHaveLength(1);
});
