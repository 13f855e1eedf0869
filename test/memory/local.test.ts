/** What the built-in backend does beyond what all must: both halves of a search, and its files. */
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { localBackend, WordEmbedder } from '../support/local-backend.ts';
import { ANNA, entryOf, find, found, said, save, Texts, take } from '../support/memory-entries.ts';
import { flipBits, placesIn } from '../support/store-files.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/wait.ts';

type Options = Parameters<typeof localBackend>[2];

async function opened(options: Options = {}, folder?: string, texts = new Texts()) {
  const home = folder ?? (await tempFolder());
  return { backend: localBackend(home, texts, options), texts, home };
}

type Backend = Awaited<ReturnType<typeof opened>>['backend'];

const caughtUp = (backend: Backend) =>
  until(
    10_000,
    async () => ((await backend.status('main')).pending === 0 && !backend.isBusy) || undefined,
    'all vectors',
  );

const filler = Array.from({ length: 30 }, (_, n) =>
  entryOf(said(n + 100), `minutes of meeting ${n}: budget, staff, rooms`),
);

describe('a search by words and by meaning', () => {
  test('finds what has no word of the query, and says which half has found what', async () => {
    const { backend, texts } = await opened({ embedder: new WordEmbedder('words/1', { automobile: 'car' }) });
    await take(backend, texts, [entryOf(said(1), 'my car is red'), entryOf(said(2), 'the automobile'), ...filler]);
    await caughtUp(backend);
    const hits = await find(backend, 'automobile');
    expect(hits.slice(0, 2).map(({ entry, by }) => [entry.id, by])).toEqual([
      [said(2), ['words', 'meaning']],
      [said(1), ['meaning']],
    ]);
    await backend.close();
  });

  test('of two that are as good the newer is first, and an old one that alone is good is before newer ones', async () => {
    const { backend, texts } = await opened();
    const day = 86_400_000;
    const now = Date.now();
    await take(backend, texts, [
      entryOf(said(1), 'the alarm code is four two', { timestamp: now - 200 * day }),
      entryOf(said(2), 'the alarm code is seven nine', { timestamp: now - day }),
      entryOf(said(3), 'grandfather was a beekeeper', { timestamp: now - 900 * day }),
      ...filler.map((entry) => ({ ...entry, timestamp: now })),
    ]);
    await caughtUp(backend);
    expect((await found(backend, 'alarm code')).slice(0, 2)).toEqual([said(2), said(1)]);
    expect((await found(backend, 'was grandfather a beekeeper?'))[0]).toBe(said(3));
    await backend.close();
  });

  test('of a long entry is one result, with the passage that was found', async () => {
    const { backend, texts } = await opened();
    const paragraphs = Array.from(
      { length: 12 },
      (_, n) => `Chapter ${n}. ${'Nothing of note happened here. '.repeat(25)}`,
    );
    paragraphs[7] = 'Chapter 7. The submarine was painted violet. Everybody talked about the submarine.';
    const long = entryOf(said(1), paragraphs.join('\n\n'));
    await take(backend, texts, [long, ...filler]);
    await caughtUp(backend);
    const hits = await find(backend, 'submarine');
    const of = hits.filter(({ entry }) => entry.id === long.id);
    expect(of).toHaveLength(1);
    expect(of[0]?.entry.text).toContain('painted violet');
    expect(of[0]?.entry.text.length).toBeLessThan(1_600);
    expect(long.text).toContain(of[0]?.entry.text);
    await backend.close();
  });

  test('does not mind accents, case and width, and finds words in scripts without spaces', async () => {
    const { backend, texts } = await opened();
    await take(backend, texts, [
      entryOf(said(1), 'Das Café in Zürich'),
      entryOf(said(2), '我喜欢北京烤鸭'),
      entryOf(said(3), 'ＡＢＣ１２３'),
      entryOf(said(4), 'ฉันชอบกาแฟ'),
    ]);
    const byWords = async (query: string) =>
      (await find(backend, query)).filter(({ by }) => by.includes('words')).map(({ entry }) => entry.id);
    expect(await byWords('cafe zurich')).toEqual([said(1)]);
    expect(await byWords('北京')).toEqual([said(2)]);
    expect(await byWords('京北')).toEqual([]);
    expect(await byWords('abc123')).toEqual([said(3)]);
    expect(await byWords('กาแฟ')).toEqual([said(4)]);
    await backend.close();
  });

  test('does not find what is gone from the journal, or reads otherwise there', async () => {
    const { backend, texts } = await opened();
    await take(backend, texts, [
      entryOf(said(1), 'the lighthouse'),
      entryOf(said(2), 'a lighthouse'),
      entryOf(said(3), 'lighthouse'),
    ]);
    texts.delete('main', said(1));
    texts.set(entryOf(said(2), 'something else'));
    expect(await found(backend, 'lighthouse')).toEqual([said(3)]);
    expect(await backend.load('main', [said(1), said(2), said(3)])).toHaveLength(1);
    await backend.close();
  });

  test('with more of what a reader may recall than is compared one by one finds the same', async () => {
    const { backend, texts } = await opened();
    const many = Array.from({ length: 2_300 }, (_, n) => entryOf(said(n + 1), `note ${n} of a long year`));
    const others = many.map(({ id, text }) => entryOf(id.replace('anna', 'ben'), text, { owner: 'dm:telegram:ben' }));
    await take(backend, texts, [...many, ...others, entryOf(said(9_000), 'where the walnut tree stands')]);
    await caughtUp(backend);
    const hits = await find(backend, 'walnut tree', { limit: 20 });
    expect(hits[0]).toMatchObject({ entry: { id: said(9_000) }, by: ['words', 'meaning'] });
    expect(hits.every(({ entry }) => entry.owner === ANNA.owner)).toBe(true);
    await take(backend, texts, [entryOf(said(9_001), 'the walnut tree was cut')]);
    await caughtUp(backend);
    expect((await found(backend, 'walnut tree cut'))[0]).toBe(said(9_001));
    await backend.close();
  });
});

describe('an embedder', () => {
  test('that fails leaves the words, says so, and is tried again', async () => {
    const embedder = new WordEmbedder();
    embedder.failure = new DhaavakError('model_unavailable', 'the server is down');
    const { backend, texts } = await opened({ embedder });
    await take(backend, texts, [entryOf(said(1), 'the boat is at pier nine')]);
    expect(await find(backend, 'pier')).toMatchObject([{ entry: { id: said(1) }, by: ['words'] }]);
    expect(await backend.status('main')).toMatchObject({
      pending: 1,
      trouble: expect.stringContaining('the server is down'),
    });
    embedder.failure = undefined;
    await caughtUp(backend);
    expect(await find(backend, 'pier')).toMatchObject([{ by: ['words', 'meaning'] }]);
    expect((await backend.status('main')).trouble).toBeUndefined();
    await backend.close();
  });

  test('in place of another has everything embedded again, once, while words answer', async () => {
    const first = await opened();
    await take(first.backend, first.texts, [entryOf(said(1), 'the attic has a leak'), ...filler]);
    await caughtUp(first.backend);
    await first.backend.close();

    const other = new WordEmbedder('words/2');
    other.failure = new DhaavakError('model_unavailable', 'not yet');
    const second = await opened({ embedder: other }, first.home, first.texts);
    expect(await find(second.backend, 'attic')).toMatchObject([{ by: ['words'] }]);
    other.failure = undefined;
    await caughtUp(second.backend);
    expect((await find(second.backend, 'attic'))[0]).toMatchObject({ by: ['words', 'meaning'] });
    await second.backend.close();
    const embedded = other.embedded;

    const third = await opened({ embedder: other }, first.home, first.texts);
    await caughtUp(third.backend);
    expect((await find(third.backend, 'attic'))[0]).toMatchObject({ by: ['words', 'meaning'] });
    expect(other.embedded).toBe(embedded + 1); // the query
    await third.backend.close();
  });
});

test('one that is full gives up the oldest messages, no facts, and says so', async () => {
  const { backend, texts } = await opened({ entriesMax: 10 });
  await save(backend, texts, entryOf('01J00000000000000000000000', 'anna likes figs', { timestamp: 1 }));
  await take(
    backend,
    texts,
    Array.from({ length: 15 }, (_, n) => entryOf(said(n + 1), `figs, part ${n + 1}`)),
  );
  const ids = await found(backend, 'figs');
  expect(ids.toSorted()).toEqual(
    ['01J00000000000000000000000', ...Array.from({ length: 9 }, (_, n) => said(n + 7))].toSorted(),
  );
  expect(await backend.status('main')).toMatchObject({
    entries: 10,
    trouble: expect.stringContaining('memory.entriesMax'),
  });
  await backend.close();
});

describe('files that are damaged', () => {
  /** A backend's folder in which there is something, closed as it should be. */
  async function closed() {
    const { backend, texts, home } = await opened();
    await take(backend, texts, [entryOf(said(1), 'the bees are in the garden'), ...filler]);
    await caughtUp(backend);
    await backend.close();
    const file = join(home, 'main', 'index.sqlite');
    expect(statSync(file).size).toBeGreaterThan(20_000);
    return { texts, home, file };
  }

  const DAMAGES: [string, (file: string) => void][] = [
    ['is no database', (file) => writeFileSync(file, 'x'.repeat(50_000))],
    ['is cut short', (file) => truncateSync(file, 10_000)],
    ['is of another version', (file) => setVersion(file, 99)],
    ['has a first page of garbage behind its head', (file) => garbage(file, 100, 3_000)],
  ];

  test.each(DAMAGES)('an index that %s is begun anew, and told to be lost', async (_, damage) => {
    const { texts, home, file } = await closed();
    damage(file);
    const lost: string[] = [];
    const { backend } = await opened({ onLost: (agent) => lost.push(agent) }, home, texts);
    const positions = await backend.positions('main').catch(() => backend.positions('main'));
    expect([lost, positions.size]).toEqual([['main'], 0]);
    await take(backend, texts, [entryOf(said(1), 'the bees are in the garden')]);
    expect(await found(backend, 'bees')).toEqual([said(1)]);
    await backend.close();
  });

  test('an index with flipped bits anywhere answers or is begun anew, and never lets anything else out', async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const { texts, home, file } = await closed();
      flipBits(file, placesIn(file, 100, seed));
      const lost: string[] = [];
      const { backend } = await opened({ onLost: (agent) => lost.push(agent) }, home, texts);
      for (let attempt = 0; attempt < 3; attempt++) {
        await find(backend, 'bees garden').catch((error: unknown) => expect(error).toBeInstanceOf(DhaavakError));
        await take(backend, texts, [entryOf(said(1), 'the bees are in the garden')]).catch((error: unknown) => {
          expect((error as Error).message).toMatch(/damaged|malformed|corrupt/);
        });
      }
      await backend.close();
    }
  });

  test('a graph is made anew of its vectors, without embedding anything again', async () => {
    const { texts, home } = await closed();
    const graph = join(home, 'main', 'graph');
    for (const name of readdirSync(graph)) writeFileSync(join(graph, name), readFileSync(join(graph, name)).fill(7));
    const embedder = new WordEmbedder();
    const { backend } = await opened({ embedder }, home, texts);
    await caughtUp(backend);
    await until(5_000, async () => (await find(backend, 'bees'))[0]?.by.includes('meaning') || undefined, 'the graph');
    expect(embedder.embedded).toBeLessThan(20); // the queries, and none of the 31 texts
    await backend.close();
  });
});

test('what is forgotten leaves the files: its words, its vectors and what names it', async () => {
  const { backend, texts, home } = await opened({ tidyMs: 10 });
  await take(backend, texts, [entryOf(said(1), 'xylophone quartet', { sender: 'telegram:secret-admirer' }), ...filler]);
  await caughtUp(backend);
  await backend.close();
  const vector = vectorOf(home, said(1));
  expect(isIn(home, Buffer.from('xylophone'))).toBe(true);
  expect(isIn(home, vector)).toBe(true);

  const again = await opened({ tidyMs: 10 }, home, texts);
  await again.backend.forget('main', { ids: [said(1)] });
  expect(await found(again.backend, 'xylophone')).not.toContain(said(1));
  await until(10_000, async () => !again.backend.isBusy || undefined, 'the files to be tidied up');
  expect(isIn(home, Buffer.from('xylophone'))).toBe(false);
  expect(isIn(home, vector)).toBe(false);
  expect(isIn(home, Buffer.from('secret-admirer'))).toBe(false);
  expect(isIn(home, Buffer.from('budget'))).toBe(true);
  expect((await found(again.backend, 'budget')).length).toBeGreaterThan(10);
  await again.backend.close();
});

/** The bytes of an entry's only vector. */
function vectorOf(home: string, id: string): Buffer {
  const db = new DatabaseSync(join(home, 'main', 'index.sqlite'));
  const row = db
    .prepare(
      `SELECT v.vector FROM vectors v JOIN passages p ON p.id = v.passage JOIN entries e ON e.id = p.entry
       JOIN names n ON n.id = e.session WHERE n.name || '#' || e.seq = ?`,
    )
    .get(id);
  db.close();
  return Buffer.from(row?.vector as Uint8Array);
}

/** Whether bytes stand in any of the files of an index. */
function isIn(home: string, bytes: Buffer): boolean {
  const folder = join(home, 'main');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .some((path) => readFileSync(path).includes(bytes));
}

function setVersion(file: string, version: number): void {
  const db = new DatabaseSync(file);
  db.exec(`PRAGMA user_version = ${version}`);
  db.close();
}

function garbage(file: string, from: number, length: number): void {
  const bytes = readFileSync(file);
  bytes.fill(0xa5, from, from + length);
  writeFileSync(file, bytes);
}
