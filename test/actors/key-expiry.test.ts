/**
 * Goal: an idempotency key counts for 24 hours that really passed, and not for ever, whatever the machine's clock says
 * meanwhile. Method: days as they are found every hour by a clock that is set; and the table itself.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { AgedDays } from '../../actors/session/key-expiry.ts';
import { Store } from '../../src/storage/store.ts';
import { tempFolder } from '../support/temp-folder.ts';

const HOUR_MS = 3_600_000;
const DAY = 20_000;

/** Looks every hour, as the round does: the clock says `today`, and there are keys of `days`. The hour in which one may go. */
function goneAfter(aged: AgedDays, day: number, days: number[], today: (hour: number) => number): number | undefined {
  for (let hour = 0; hour <= 200; hour++) {
    if (aged.of(days, today(hour), hour * HOUR_MS).includes(day)) return hour;
  }
  return undefined;
}

describe('the keys of a day', () => {
  it('go when the day after it is over', () => {
    const clock = (hour: number) => DAY + Math.floor(hour / 24);
    expect(goneAfter(new AgedDays(), DAY, [DAY], clock)).toBe(48);
  });

  it('that was over for long when the process began go at once', () => {
    expect(new AgedDays().of([DAY - 2, DAY - 1, DAY], DAY, 0)).toEqual([DAY - 2]);
  });

  it('stay for a day when the clock is set forwards by three', () => {
    const aged = new AgedDays();
    aged.of([DAY], DAY, 0);
    expect(goneAfter(aged, DAY, [DAY], () => DAY + 3)).toBe(25);
  });

  it('that is still to come, since the clock was set back, stay for a day and no longer', () => {
    expect(goneAfter(new AgedDays(), DAY + 3, [DAY, DAY + 3], () => DAY)).toBe(25);
  });
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
