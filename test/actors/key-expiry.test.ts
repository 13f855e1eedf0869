/**
 * Goal: an idempotency key counts for 24 hours that really passed, and not for ever, whatever the machine's clock says
 * meanwhile. Method: days as they are found every hour by a clock that is set; and the table itself.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { AgedDays } from '../../actors/session/key-expiry.ts';
import type { KeyAges } from '../../src/storage/idempotency.ts';
import { Store } from '../../src/storage/store.ts';
import { tempFolder } from '../support/temp-folder.ts';

const HOUR_MS = 3_600_000;
const DAY = 20_000;

const at = (hour: number) => hour * HOUR_MS;

/** Looks every hour, while the clock says `today` and there are keys of `days`. The hour in which one may go. */
function goneAfter(aged: AgedDays, day: number, days: number[], today: (hour: number) => number): number | undefined {
  for (let hour = 0; hour <= 200; hour++) if (aged.of(days, today(hour), at(hour)).includes(day)) return hour;
  return undefined;
}

describe('the keys of a day', () => {
  it('go a day after it is over', () => {
    const clock = (hour: number) => DAY + Math.floor(hour / 24);
    expect(goneAfter(new AgedDays(undefined, 0), DAY, [DAY], clock)).toBe(48);
  });

  it('go a day later when nobody has seen when that was', () => {
    expect(goneAfter(new AgedDays(undefined, 0), DAY - 7, [DAY - 7, DAY], () => DAY)).toBe(25);
  });

  it('stay for a day when the clock is set forwards by three', () => {
    const aged = new AgedDays(undefined, 0);
    aged.of([DAY], DAY, 0);
    expect(goneAfter(aged, DAY, [DAY], () => DAY + 3)).toBe(25);
  });

  it('that is still to come, since the clock was set back, stay for a day and no longer', () => {
    expect(goneAfter(new AgedDays(undefined, 0), DAY + 3, [DAY, DAY + 3], () => DAY)).toBe(25);
  });

  it('are as old in the next life as they were in the one before: a gateway that is started every day gets rid of them', () => {
    let ages: KeyAges | undefined;
    let lives = 0;
    for (let gone = false; !gone; lives += 1) {
      const aged = new AgedDays(ages, at(1_000));
      gone = aged.of([DAY], DAY + 1 + lives, at(1_000)).includes(DAY);
      expect(aged.of([DAY], DAY + 1 + lives, at(1_005)).includes(DAY)).toBe(lives >= 4);
      ages = aged.ages(at(1_005));
    }
    expect(lives).toBe(6); // of five hours each, until there were 24
  });
});

it('a key is known when it is on the disk, however often the clock was set while it was on its way', async () => {
  const store = new Store(await tempFolder());
  onTestFinished(() => store.close());
  const at = (days: number) => (DAY + days) * 24 * HOUR_MS;
  store.keys.owner('session', 'key', at(0));
  const put = (days: number) =>
    store.journal.commit((batch) =>
      store.keys.put(batch, 'session', `${days}`, { message: `${days}`, seq: 1 }, at(days)),
    );
  await Promise.all([put(0), put(10), put(20)]);
  for (const days of [0, 10, 20]) expect(store.keys.owner('session', `${days}`, at(30))?.message).toBe(`${days}`);
});

it('a key is known as long as it is there, whatever day the clock says it is, also to the next process', async () => {
  const folder = await tempFolder();
  const now = DAY * 24 * HOUR_MS;
  const first = new Store(folder);
  const owner = { message: 'm', seq: 1 };
  await first.journal.commit((batch) => first.keys.put(batch, 'session', 'key', owner, now));
  const days = [-100, -3, -1, 0, 1, 3, 100];
  const found = (store: Store) => days.map((day) => store.keys.owner('session', 'key', now + day * 24 * HOUR_MS));
  expect(found(first)).toEqual(days.map(() => owner));
  await first.close();
  const second = new Store(folder);
  onTestFinished(() => second.close());
  expect(found(second)).toEqual(days.map(() => owner));
  const removal = second.keys.removalOfDay(DAY, 10);
  await second.journal.commit(removal!);
  expect(found(second)).toEqual(days.map(() => undefined));
  expect(second.keys.removalOfDay(DAY, 10)).toBeUndefined();
});
