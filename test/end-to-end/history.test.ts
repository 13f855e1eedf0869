/** Goal: a transcript can be paged through from either end and searched. Method: one that is there, over the wire. */
import { expect, it } from 'vitest';
import type { HistoryEntry, RequestData } from '../../src/protocol/messages.ts';
import { Store } from '../../src/storage/store.ts';
import { localGateway } from '../support/gateway.ts';
import { type PastTurnInput, writeTurns } from '../support/past-turns.ts';
import { damageValues, storeFile } from '../support/store-files.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import type { WireClient } from '../support/wire-client.ts';

const DAY_MS = 86_400_000;
const START = Date.UTC(2026, 0, 1);

const turn = (number: number, more: Partial<PastTurnInput> = {}): PastTurnInput => ({
  said: `question ${number}`,
  answer: `answer ${number}`,
  at: START + number * DAY_MS,
  ...more,
});

type Query = Omit<RequestData<'session.history'>, 'session'>;

/** All pages of a query; the requests it took. */
async function all(client: WireClient, query: Query) {
  const entries: HistoryEntry[] = [];
  let [damaged, requests] = [0, 0];
  const forwards = query.after !== undefined;
  for (let cursor: number | undefined; ; ) {
    const at = cursor === undefined ? {} : forwards ? { after: cursor } : { before: cursor };
    const page = await client.ask('session.history', { session: MAIN, ...query, ...at });
    requests += 1;
    damaged += page.damaged ?? 0;
    if (forwards) entries.push(...page.entries);
    else entries.unshift(...page.entries);
    if (!page.more) return { entries, damaged, requests };
    expect(page.cursor).toBeGreaterThan(0);
    expect(page.cursor).not.toBe(cursor);
    cursor = page.cursor;
  }
}

it('is the same whole transcript from either end, whatever the pages', async () => {
  const home = await tempFolder();
  const written = await writeTurns(
    home,
    MAIN,
    Array.from({ length: 60 }, (_, number) => turn(number)),
  );
  const client = await (await localGateway({ home })).connect();
  for (const limit of [1, 7, 50, 200]) {
    expect((await all(client, { limit })).entries).toEqual(written);
    expect((await all(client, { limit, after: 0 })).entries).toEqual(written);
  }
  const between = await client.ask('session.history', { session: MAIN, after: 10, before: 14 });
  expect(between.entries.map(({ seq }) => seq)).toEqual([11, 12, 13]);
  expect(between.more).toBe(false);
  const exact = await client.ask('session.history', { session: MAIN, after: 100, limit: 20 });
  expect([exact.entries.length, exact.more, exact.cursor]).toEqual([20, false, undefined]);
  expect(await client.ask('session.history', { session: MAIN, after: 120 })).toEqual({
    session: MAIN,
    entries: [],
    more: false,
  });
});

it('is searched by what stands in texts and calls, in any case, by role and by time', async () => {
  const home = await tempFolder();
  const call = { input: { expression: 'Zebra + 1' }, result: 'no such animal' };
  await writeTurns(home, MAIN, [
    turn(0, { said: 'ΟΔΟΣ and a.b' }),
    turn(1, { answer: 'the οδοσ' }),
    turn(2, { call }),
    turn(3, { said: 'axb' }),
  ]);
  const client = await (await localGateway({ home })).connect();
  const seqs = async (query: Query) => (await all(client, query)).entries.map(({ seq }) => seq);
  expect(await seqs({ contains: 'οδος' })).toEqual([1, 4]);
  expect(await seqs({ contains: 'A.B' })).toEqual([1]); // no pattern
  expect(await seqs({ contains: 'zebra +' })).toEqual([6]);
  expect(await seqs({ contains: 'CALC' })).toEqual([6, 7]);
  expect(await seqs({ roles: ['tool', 'user'], after: 0 })).toEqual([1, 3, 5, 7, 9]);
  expect(await seqs({ since: START + DAY_MS, until: START + 2 * DAY_MS })).toEqual([3, 4]);
  expect(await seqs({ contains: 'answer', roles: ['user'] })).toEqual([]);
});

it('is searched in requests of bounded work, which find what is at the far end', async () => {
  const home = await tempFolder();
  const turns = Array.from({ length: 3_000 }, (_, number) => turn(number));
  await writeTurns(home, MAIN, [turn(0, { said: 'needle' }), ...turns]);
  const client = await (await localGateway({ home })).connect();
  const found = await all(client, { contains: 'NEEDLE' });
  expect(found.entries.map(({ seq }) => seq)).toEqual([1]);
  expect(found.requests).toBeGreaterThanOrEqual(4); // of at most 2,000 entries each
});

it('has pages that a frame holds where texts are long', async () => {
  const home = await tempFolder();
  const said = 'é'.repeat(200_000);
  await writeTurns(home, MAIN, [turn(0, { said }), turn(1, { said }), turn(2, { said })]);
  const client = await (await localGateway({ home })).connect();
  const { entries, requests } = await all(client, { limit: 200, after: 0 });
  expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(requests).toBe(3);
});

it('passes over entries that are damaged, and counts them', async () => {
  const home = await tempFolder();
  await writeTurns(
    home,
    MAIN,
    Array.from({ length: 5 }, (_, number) => turn(number)),
  );
  for (const text of ['question 1', 'answer 4']) damageValues(storeFile(home), 'entries', text);
  const client = await (await localGateway({ home })).connect();
  for (const query of [{ limit: 2 }, { limit: 2, after: 0 }]) {
    const { entries, damaged } = await all(client, query);
    expect([entries.map(({ seq }) => seq), damaged]).toEqual([[1, 2, 4, 5, 6, 7, 8, 9], 2]);
  }
});

it('shows the images of messages, and says which are not there', async () => {
  const home = await tempFolder();
  const image = Buffer.from('89504e470d0a1a0a00', 'hex');
  await writeTurns(home, MAIN, [turn(0, { images: [image] })]);
  const client = await (await localGateway({ home })).connect();
  const shown = await client.ask('session.attachment', { session: MAIN, seq: 1, index: 0 });
  expect(shown).toEqual({
    session: MAIN,
    seq: 1,
    index: 0,
    mediaType: 'image/png',
    data: image.toString('base64'),
  });
  for (const place of [
    { seq: 1, index: 1 },
    { seq: 2, index: 0 },
  ]) {
    const refusal = await client.refusal('session.attachment', { session: MAIN, ...place });
    expect(refusal).toMatchObject({ code: 'not_found', param: 'data.index' });
  }
});

it('is not read of a session that is not there', async () => {
  const home = await tempFolder();
  const store = new Store(home);
  await store.close();
  const client = await (await localGateway({ home })).connect();
  const session = 'agent:main:dm:api:nobody';
  expect((await client.refusal('session.history', { session, contains: 'x' })).code).toBe('not_found');
  expect((await client.refusal('session.attachment', { session, seq: 1, index: 0 })).code).toBe('not_found');
});
