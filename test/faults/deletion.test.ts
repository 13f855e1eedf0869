/**
 * Goal: what is deleted is gone, from every table and from a backup's bytes, also when the process is killed in the middle of
 * it. Method: a session that has something in every table, a gateway that is killed at a failpoint, and the file itself.
 */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { backUp } from '../../src/storage/backup.ts';
import { Store } from '../../src/storage/store.ts';
import { placesOf, tablesWith } from '../support/all-tables.ts';
import { gatewayProcess } from '../support/gateway.ts';
import { putTurns } from '../support/past-turns.ts';
import { storeFile } from '../support/store-files.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { within } from '../support/wait.ts';

/** Whose thread would take the notes for it away when it has done as they say. */
const NO_MEMORY = { memory: { enabled: false } };
const KEY = 'agent:main:dm:api:ada';
const OTHER = 'agent:main:dm:api:bob';
/** Stands in every text and image of the session. */
const NEEDLE = 'Xq7needle';
const DAY_MS = 86_400_000;
/** More than one step of a deletion, and of a removal of turns. */
const TURNS = 700;

/** A home in which the session has something wherever a session can. */
async function filledHome(): Promise<string> {
  const home = await tempFolder();
  const store = new Store(home, { flush: false });
  const now = Date.now();
  const turns = (word: string) =>
    Array.from({ length: TURNS }, (_, number) => ({
      said: `${word} ${number} ${'x'.repeat(number % 200)}`,
      answer: `${word} again`,
      at: now - (TURNS - number) * DAY_MS,
      ...(number % 100 === 0 && { images: [Buffer.from(word.repeat(900))] }),
    }));
  await putTurns(store, KEY, turns(NEEDLE));
  await putTurns(store, OTHER, turns('kept'));
  await store.journal.commit((batch) => {
    const session = store.sessions.get(KEY);
    if (session !== undefined) batch.put(store.sessions, KEY, { ...session, title: NEEDLE });
    store.keys.put(batch, KEY, NEEDLE, { message: 'm1', seq: 0, answer: NEEDLE }, now);
    const error = { code: 'internal' as const, message: NEEDLE, retryable: false };
    const letter = { message: 'm1', session: KEY, seq: 1, text: NEEDLE, error, attempts: 3, acceptedAt: 0, diedAt: 0 };
    batch.put(store.deadLetters, 'm1', letter);
    const call = {
      session: KEY,
      run: 'r',
      message: 'm1',
      call: 'c',
      name: 'exec',
      rule: 'x',
      askedAt: now,
      expiresAt: now,
    };
    store.approvals.decide(
      batch,
      { ...call, approval: 'a1', input: { run: NEEDLE }, bound: { folder: NEEDLE } },
      { allowed: true, at: now },
    );
    const fact = {
      text: NEEDLE,
      trusted: true,
      session: KEY,
      owner: 'dm:api:ada',
      channel: 'api',
      sender: 's',
      message: '',
      timestamp: now,
    };
    store.facts.put(batch, 'main', 'f1', { ...fact, reach: 'session' });
    store.factOwners.put(batch, 'main', { ...fact, reach: 'session' }, 'f1');
    store.facts.put(batch, 'main', 'f2', { ...fact, reach: 'owner', session: OTHER, text: 'kept' });
    store.approvals.ask(batch, { ...call, call: 'd', approval: 'a2', input: { run: NEEDLE } });
  });
  await store.close();
  return home;
}

/** Sees that nothing is left but what names the session and is meant to. */
async function expectGone(home: string): Promise<void> {
  expect(tablesWith(home, NEEDLE)).toEqual([]);
  expect(tablesWith(home, KEY)).toEqual(['approvals', 'unlearn']);
  const folder = join(await tempFolder(), 'backup');
  expect((await backUp(home, folder)).compacted).toBe(true);
  expect(placesOf(storeFile(folder), NEEDLE)).toBe(0);
  expect(placesOf(storeFile(folder), 'kept')).toBeGreaterThan(2 * TURNS);
}

it('a deleted session is in no table and not in the bytes of a backup', async () => {
  const home = await filledHome();
  expect(tablesWith(home, NEEDLE)).toEqual([
    'approvals',
    'approvals-waiting',
    'deadLetters',
    'entries',
    'facts',
    'images',
    'keys',
    'sessions',
  ]);
  const gateway = await gatewayProcess({ home, config: NO_MEMORY });
  const client = await gateway.connect();
  await client.ask('session.delete', { session: KEY });
  await gateway.stop();
  await expectGone(home);
  const store = new Store(home);
  const told = store.unlearn.list(10);
  const stripped = [...store.approvals.decided(undefined)];
  await store.close();
  expect(told.map(({ key, record }) => [key, record])).toEqual([
    [['main', 'fact', 'f1'], { fact: 'f1', at: expect.any(Number) }],
    [['main', 'session', KEY], { session: KEY, at: expect.any(Number) }],
  ]);
  expect(stripped).toMatchObject([{ approval: 'a1', name: 'exec', input: null, decision: { allowed: true } }]);
  expect(stripped[0]).not.toHaveProperty('bound');
}, 30_000);

it.each(['delete.begun', 'delete.half', 'delete.before'])(
  'a deletion that is killed at %s is ended by the next start',
  async (failpoint) => {
    const home = await filledHome();
    const first = await gatewayProcess({ home, config: NO_MEMORY, env: { DHAAVAK_FAILPOINT: failpoint } });
    const client = await first.connect();
    client.send('session.delete', { session: KEY });
    await within(10_000, first.ended, () => `the gateway to be killed at ${failpoint}`);
    expect(tablesWith(home, KEY)).toContain('deletions');
    expect(tablesWith(home, NEEDLE).length > 0).toBe(failpoint !== 'delete.before');
    const second = await gatewayProcess({ home, config: NO_MEMORY });
    const again = await second.connect();
    // Who makes a session under its key waits for the rest of it to be gone.
    await again.ask('session.create', { user: 'ada' });
    expect((await again.ask('session.history', { session: KEY })).entries).toEqual([]);
    await again.ask('session.delete', { session: KEY });
    await second.stop();
    await expectGone(home);
  },
  30_000,
);

it('turns that retention has removed are gone alike, also when it is killed in the middle', async () => {
  const home = await filledHome();
  const first = await gatewayProcess({ home, config: NO_MEMORY, env: { DHAAVAK_FAILPOINT: 'prune.step' } });
  const client = await first.connect();
  client.send('session.prune', { session: KEY, days: 10 });
  await within(10_000, first.ended, () => 'the gateway to be killed');
  const second = await gatewayProcess({ home, config: NO_MEMORY });
  const again = await second.connect();
  const rest = await again.ask('session.history', { session: KEY, after: 0, limit: 1 });
  expect(rest.entries).toMatchObject([{ role: 'user' }]); // whole turns went
  const seq = rest.entries[0]?.seq as number;
  expect(seq).toBeGreaterThan(1);
  const told = await again.ask('session.prune', { session: KEY, days: 10, dryRun: true });
  expect(told.entries).toBe(2 * TURNS - 18 - (seq - 1));
  expect(await again.ask('session.prune', { session: KEY, days: 10 })).toEqual({ ...told, dryRun: false });
  await second.stop();
  expect(tablesWith(home, `${NEEDLE} ${TURNS - 30} `)).toEqual([]);
  expect(tablesWith(home, NEEDLE)).toEqual(['approvals-waiting', 'entries', 'facts', 'keys', 'sessions']);
  const folder = join(await tempFolder(), 'backup');
  await backUp(home, folder);
  for (const number of [0, 100, 300, TURNS - 30]) expect(placesOf(storeFile(folder), `${NEEDLE} ${number} `)).toBe(0);
  const store = new Store(home);
  const [record] = store.unlearn.list(10);
  await store.close();
  expect(record?.record).toMatchObject({ session: KEY, upTo: 2 * TURNS - 18 });
}, 30_000);
