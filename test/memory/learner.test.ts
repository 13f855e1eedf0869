/** The learner between a store and a backend: what of transcripts and facts is taken in, and what is forgotten. */
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import type { MemoryBackend } from '../../src/memory/backend.ts';
import { Learner } from '../../src/memory/learner.ts';
import { Pace } from '../../src/memory/pace.ts';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import { MemorySource } from '../../src/storage/memory-source.ts';
import { sessionOfKey } from '../../src/storage/session-record.ts';
import { Store } from '../../src/storage/store.ts';
import { framed } from '../../src/tools/untrusted.ts';
import { InMemoryBackend } from '../support/in-memory-backend.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { within } from '../support/wait.ts';

const MAIN = 'agent:main:main';
const DM = 'agent:main:dm:telegram:anna';

async function world(backend: MemoryBackend = new InMemoryBackend()) {
  const store = new Store(await tempFolder(), { flush: false });
  onTestFinished(() => store.close());
  const write = (session: string, ...entries: HistoryEntry[]) =>
    store.journal.commit((batch) => {
      batch.put(store.sessions, session, sessionOfKey(session, 1));
      for (const entry of entries) batch.put(store.entries, [session, entry.seq], entry);
    });
  return { store, backend, write };
}

/** A learner that has taken in everything; it ends with the test. */
async function learned({ store, backend }: { store: Store; backend: MemoryBackend }): Promise<Learner> {
  const pace = new Pace();
  pace.hurry(Number.POSITIVE_INFINITY);
  const learner = new Learner({
    source: new MemorySource(store),
    backend,
    agents: ['main'],
    pace,
    log: pino({ level: 'silent' }),
  });
  onTestFinished(() => learner.stop());
  await caughtUp(learner);
  return learner;
}

const caughtUp = (learner: Learner) => within(10_000, learner.caughtUp(), () => 'all to be taken in');

function line(seq: number, role: HistoryEntry['role'], text: string, parts: Partial<HistoryEntry> = {}): HistoryEntry {
  return { seq, role, text, timestamp: 1_000 + seq, message: 'm1', ...parts };
}

async function ids(backend: MemoryBackend, ...wanted: string[]): Promise<string[]> {
  return (await backend.load('main', wanted)).map(({ id }) => id);
}

test('takes in what was said, by whom and in whose session; not resets, empty texts and sub-agents', async () => {
  const { store, backend, write } = await world();
  const origin = {
    channel: 'telegram',
    account: 'default',
    chat: { id: '7', type: 'dm' as const },
    message: '1',
    sender: { id: '123', name: 'Anna' },
  };
  const group = 'agent:main:group:telegram:-100';
  await write(
    MAIN,
    line(1, 'user', 'hello'),
    line(2, 'assistant', ''),
    line(3, 'assistant', 'hi'),
    line(4, 'reset', ''),
  );
  await write(DM, line(1, 'user', 'from a phone', { origin }), line(2, 'summary', 'they greeted', { covers: 1 }));
  await write(group, line(1, 'user', 'to all', { origin }));
  await write('agent:main:sub:01J', line(1, 'user', 'a task'));
  await write('agent:other:main', line(1, 'user', 'not of this agent'));
  await learned({ store, backend });

  const all = await backend.load(
    'main',
    [1, 2, 3, 4].flatMap((seq) => [`${MAIN}#${seq}`, `${DM}#${seq}`, `${group}#1`]),
  );
  const seen = [...new Map(all.map((entry) => [entry.id, entry])).values()];
  expect(seen.map(({ id, kind, owner, sender, channel }) => [id, kind, owner, sender, channel]).toSorted()).toEqual(
    [
      [`${MAIN}#1`, 'user', 'main', 'api:owner', 'api'],
      [`${MAIN}#3`, 'assistant', 'main', 'agent:main', 'api'],
      [`${DM}#1`, 'user', 'dm:telegram:anna', 'telegram:123', 'telegram'],
      [`${DM}#2`, 'summary', 'dm:telegram:anna', 'agent:main', 'telegram'],
      [`${group}#1`, 'user', 'group:telegram:-100', 'telegram:123', 'telegram'],
    ].toSorted(),
  );
  expect(seen.every(({ reach, trusted }) => reach === 'owner' && trusted)).toBe(true);
  expect(await backend.status('main')).toMatchObject({ entries: 5 });
  expect(new Map(await backend.positions('main'))).toEqual(
    new Map([
      [MAIN, 4],
      [DM, 2],
      [group, 1],
    ]),
  );
});

test('trusts no tool, nothing said after something from outside in its turn, and everything of the next turn again', async () => {
  const { store, backend, write } = await world();
  const page = framed(`the page says ${'x'.repeat(3_000)}`, 'web.fetch');
  const call = (name: string) => ({ toolCall: { id: 'c', name } });
  await write(
    MAIN,
    line(1, 'user', 'read it'),
    line(2, 'assistant', 'I will'),
    line(3, 'tool', '42', call('math')),
    line(4, 'tool', page, call('web.fetch')),
    line(5, 'tool', 'what I have found in the memory', call('memory.search')),
    line(6, 'assistant', 'it says x'),
    line(7, 'user', 'thanks', { message: 'm2' }),
    line(8, 'assistant', 'welcome', { message: 'm2' }),
  );
  await learned({ store, backend });
  const entries = await backend.load(
    'main',
    [1, 2, 3, 4, 5, 6, 7, 8].map((seq) => `${MAIN}#${seq}`),
  );
  expect(entries.map(({ id, kind, trusted }) => [Number(id.split('#')[1]), kind, trusted])).toEqual([
    [1, 'user', true],
    [2, 'assistant', true],
    [3, 'tool', false],
    [4, 'tool', false],
    [6, 'assistant', false],
    [7, 'user', true],
    [8, 'assistant', true],
  ]);
  expect(entries.find(({ id }) => id === `${MAIN}#4`)?.text).toHaveLength(1_000);
});

test('goes on from where it was, and takes in what it is told of', async () => {
  const { store, backend, write } = await world();
  await write(MAIN, line(1, 'user', 'one'));
  const first = await learned({ store, backend });
  await first.stop();
  await write(MAIN, line(2, 'tool', framed('a page', 'web.fetch'), { toolCall: { id: 'c', name: 'web.fetch' } }));

  const appended: string[] = [];
  const append = backend.append.bind(backend);
  backend.append = async (agent, session, entries, upTo) => {
    appended.push(...entries.map(({ id }) => id));
    await append(agent, session, entries, upTo);
  };
  const second = await learned({ store, backend });
  expect(appended).toEqual([`${MAIN}#2`]);

  // The turn goes on: what is said in it now comes after the page.
  await write(MAIN, line(3, 'assistant', 'it says so'));
  second.tell({ sessions: [MAIN, 'agent:main:sub:x', 'no session', 'agent:nobody:main'], agents: [], all: false });
  await caughtUp(second);
  expect(appended).toEqual([`${MAIN}#2`, `${MAIN}#3`]);
  expect((await backend.load('main', [`${MAIN}#3`]))[0]?.trusted).toBe(false);
});

test('forgets what was deleted, then the note of it, and reads a session that was made again', async () => {
  const { store, backend, write } = await world();
  await write(MAIN, ...[1, 2, 3, 4].map((seq) => line(seq, 'user', `said ${seq}`)));
  await write(DM, line(1, 'user', 'gone'), line(2, 'user', 'gone too'));
  const learner = await learned({ store, backend });
  await store.journal.commit((batch) => {
    for (const seq of [1, 2]) batch.remove(store.entries, [MAIN, seq]);
    store.unlearn.add(batch, 'main', { session: MAIN, upTo: 2 }, 1);
    for (const seq of [1, 2]) batch.remove(store.entries, [DM, seq]);
    batch.put(store.entries, [DM, 1], line(1, 'user', 'new'));
    store.unlearn.add(batch, 'main', { session: DM }, 1);
    store.unlearn.add(batch, 'other', { session: 'agent:other:main' }, 1);
  });
  learner.tell({ sessions: [MAIN, DM], agents: [], all: false });
  await caughtUp(learner);
  expect(await ids(backend, `${MAIN}#1`, `${MAIN}#2`, `${MAIN}#3`, `${MAIN}#4`)).toEqual([`${MAIN}#3`, `${MAIN}#4`]);
  expect((await backend.load('main', [`${DM}#1`, `${DM}#2`])).map(({ text }) => text)).toEqual(['new']);
  expect(store.unlearn.list(10).map(({ key: [agent] }) => agent)).toEqual(['other']);
});

test('keeps facts as the table has them', async () => {
  const { store, backend } = await world();
  const fact = {
    text: 'anna likes tea',
    reach: 'owner' as const,
    trusted: true,
    session: DM,
    owner: 'dm:telegram:anna',
    channel: 'telegram',
    sender: 'telegram:anna',
    message: 'm1',
    timestamp: 5,
  };
  await store.journal.commit((batch) => {
    for (let n = 0; n < 250; n++) store.facts.put(batch, 'main', `F${String(n).padStart(3, '0')}`, fact);
  });
  const learner = await learned({ store, backend });
  expect(await backend.load('main', ['F249'])).toEqual([{ id: 'F249', kind: 'fact', agent: 'main', ...fact }]);
  await store.journal.commit((batch) => {
    store.facts.put(batch, 'main', 'F001', { ...fact, text: 'anna likes coffee' });
    store.facts.remove(batch, 'main', 'F002');
    store.unlearn.add(batch, 'main', { fact: 'F002' }, 1);
  });
  learner.tell({ sessions: [], agents: ['main'], all: false });
  await caughtUp(learner);
  expect((await backend.load('main', ['F001', 'F002'])).map(({ text }) => text)).toEqual(['anna likes coffee']);
  expect(await backend.status('main')).toMatchObject({ entries: 249 });
});

test('makes everything anew where it is told to, and where a note says so', async () => {
  const { store, backend, write } = await world();
  await write(MAIN, ...Array.from({ length: 300 }, (_, n) => line(n + 1, 'user', `said ${n}`)));
  const learner = await learned({ store, backend });
  await backend.forget('main', { ids: [`${MAIN}#7`] }); // as a backend does that is damaged
  learner.rebuild('main');
  await caughtUp(learner);
  expect(await backend.status('main')).toMatchObject({ entries: 300 });

  await backend.forget('main', { ids: [`${MAIN}#8`] });
  await store.journal.commit((batch) => store.unlearn.add(batch, 'main', { everything: true }, 1));
  learner.tell({ sessions: [], agents: [], all: false });
  await caughtUp(learner);
  expect(await backend.status('main')).toMatchObject({ entries: 300 });
  expect(store.unlearn.list(10)).toEqual([]);
});

test('gives everything again to a backend that has lost it in the middle of taking in', async () => {
  const { store, backend, write } = await world();
  await write(MAIN, ...Array.from({ length: 400 }, (_, n) => line(n + 1, 'user', `said ${n}`)));
  const append = backend.append.bind(backend);
  let learner: Learner | undefined;
  let calls = 0;
  backend.append = async (...parts) => {
    calls += 1;
    if (calls === 3) {
      await backend.forget('main', { everything: true });
      learner?.relearn('main');
    }
    await append(...parts);
  };
  const pace = new Pace();
  const source = new MemorySource(store);
  learner = new Learner({ source, backend, agents: ['main'], pace, log: pino({ level: 'silent' }) });
  onTestFinished(() => learner?.stop());
  pace.hurry(60_000);
  await caughtUp(learner);
  expect(calls).toBeGreaterThan(4);
  expect(await backend.status('main')).toMatchObject({ entries: 400 });
});

test('tries again what the backend could not take', async () => {
  const { store, backend, write } = await world();
  await write(MAIN, line(1, 'user', 'one'));
  const append = backend.append.bind(backend);
  let failures = 0;
  backend.append = async (...parts) => {
    failures += 1;
    if (failures === 1) throw new Error('the disk is full');
    await append(...parts);
  };
  await learned({ store, backend });
  expect(failures).toBe(2);
  expect(await ids(backend, `${MAIN}#1`)).toEqual([`${MAIN}#1`]);
});
