/**
 * What every backend of the memory must do. `open` gives one that is empty and, where `survives`, with the same folder once more one
 * that has what the first was given. Texts of entries are in `texts`, for a backend that keeps none.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MemoryBackend, MemoryQuery } from '../../src/memory/backend.ts';
import { mayRecall, mayRecallUnasked } from '../../src/memory/entry.ts';
import { aFilter, aReader, FACT, manyEntries, passes } from '../support/memory-arbitraries.ts';
import { ANNA, entryOf, find, found, said, save, Texts, take } from '../support/memory-entries.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/wait.ts';

export interface BackendUnderTest {
  open(folder: string, texts: Texts): Promise<MemoryBackend>;
  survives: boolean;
}

export function backendSuite(name: string, { open, survives }: BackendUnderTest): void {
  describe(`the backend ${name}`, () => {
    /** A backend that is closed with the test. */
    async function opened(folder?: string, texts = new Texts()) {
      const home = folder ?? (await tempFolder());
      const backend = await open(home, texts);
      return { backend, texts, home };
    }

    test('finds exactly what a reader may recall and the filters let through, whatever there is', async () => {
      const home = await tempFolder();
      let round = 0;
      await fc.assert(
        fc.asyncProperty(
          manyEntries,
          fc.array(fc.record({ reader: aReader, filter: aFilter, unasked: fc.boolean() }), {
            minLength: 1,
            maxLength: 12,
          }),
          async (entries, queries) => {
            round += 1;
            const { backend, texts } = await opened(`${home}/${round}`);
            try {
              const [facts, rest] = [
                entries.filter(({ kind }) => kind === 'fact'),
                entries.filter(({ kind }) => kind !== 'fact'),
              ];
              await take(backend, texts, rest);
              for (const fact of facts) await save(backend, texts, fact);
              for (const { reader, filter, unasked } of queries) {
                const query: Partial<MemoryQuery> = { reader, filter, ...(unasked ? { unasked } : {}) };
                const rule = unasked ? mayRecallUnasked : mayRecall;
                const expected = entries.filter((entry) => rule(reader, entry) && passes(entry, filter, reader));
                const ids = await found(backend, 'pelican', query);
                expect(ids.toSorted()).toEqual(expected.map(({ id }) => id).toSorted());
              }
            } finally {
              await backend.close();
            }
          },
        ),
        { numRuns: 30 },
      );
    });

    test('has an entry once, however often it was taken in, with the text it had last', async () => {
      const { backend, texts } = await opened();
      const entry = entryOf(said(1), 'the boiler is in the cellar');
      await take(backend, texts, [entry]);
      await take(backend, texts, [entry]);
      expect(await found(backend, 'boiler')).toEqual([entry.id]);
      const status = await backend.status('main');
      expect(status).toMatchObject({ agent: 'main', entries: 1 });

      const fact = entryOf(`${FACT}1`, 'anna likes tea');
      await save(backend, texts, fact);
      await save(backend, texts, { ...fact, text: 'anna likes coffee' });
      expect((await find(backend, 'coffee')).map(({ entry }) => entry.text)).toEqual(['anna likes coffee']);
      await backend.close();
    });

    test('notes how far each transcript was taken in, also where nothing of it is remembered', async () => {
      const { backend, texts } = await opened();
      await take(backend, texts, [entryOf(said(1), 'one'), entryOf(said(2), 'two')]);
      await backend.append('main', ANNA.session, [], 7);
      await backend.append('main', 'agent:main:main', [], 3);
      const positions = await backend.positions('main');
      expect(new Map(positions)).toEqual(
        new Map([
          [ANNA.session, 7],
          ['agent:main:main', 3],
        ]),
      );
      expect(new Map(await backend.positions('other'))).toEqual(new Map());
      await backend.close();
    });

    test('forgets a session, part of one, and single entries, and says how many', async () => {
      const { backend, texts } = await opened();
      const other = 'agent:main:dm:telegram:anna-at-work';
      const entries = [1, 2, 3, 4].map((seq) => entryOf(said(seq), `kettle ${seq}`));
      const elsewhere = [1, 2].map((seq) => entryOf(said(seq, other), `kettle at work ${seq}`));
      const fact = entryOf(`${FACT}1`, 'anna has a kettle');
      await take(backend, texts, [...entries, ...elsewhere]);
      await save(backend, texts, fact);

      expect(await backend.forget('main', { session: ANNA.session, upTo: 2 })).toBe(2);
      expect((await found(backend, 'kettle')).toSorted()).toEqual(
        [fact.id, said(3), said(4), said(1, other), said(2, other)].toSorted(),
      );
      expect((await backend.positions('main')).get(ANNA.session)).toBe(4);

      expect(await backend.forget('main', { ids: [fact.id, said(1, other), 'no such id'] })).toBe(2);
      expect(await backend.forget('main', { session: ANNA.session })).toBe(2);
      expect(await found(backend, 'kettle')).toEqual([said(2, other)]);
      expect((await backend.positions('main')).has(ANNA.session)).toBe(false);
      expect(await backend.forget('main', { session: ANNA.session })).toBe(0);

      await backend.forget('main', { everything: true });
      expect(await found(backend, 'kettle')).toEqual([]);
      expect(new Map(await backend.positions('main'))).toEqual(new Map());
      await backend.close();
    });

    test('gives entries by their ids', async () => {
      const { backend, texts } = await opened();
      const entry = entryOf(said(1), 'the key is under the mat');
      const fact = entryOf(`${FACT}1`, 'anna has a cat');
      await take(backend, texts, [entry]);
      await save(backend, texts, fact);
      expect(await backend.load('main', [fact.id, 'no such id', entry.id])).toEqual(
        expect.arrayContaining([entry, fact]),
      );
      expect(await backend.load('other', [entry.id])).toEqual([]);
      await backend.close();
    });

    test('puts what has more of the words first, and no more than was asked for', async () => {
      const { backend, texts } = await opened();
      const filler = Array.from({ length: 20 }, (_, n) =>
        entryOf(said(n + 10), `a report about the harbour, part ${n}`),
      );
      const best = entryOf(said(1), 'the passport of grandmother is in the blue drawer');
      const half = entryOf(said(2), 'the drawer sticks a little');
      await take(backend, texts, [best, half, ...filler]);
      const ids = await found(backend, 'where is the passport, in which drawer?');
      expect(ids[0]).toBe(best.id);
      expect(await found(backend, 'harbour report', { limit: 3 })).toHaveLength(3);
      const scores = (await find(backend, 'drawer harbour passport')).map(({ score }) => score);
      expect(scores).toEqual(scores.toSorted((a, b) => b - a));
      await backend.close();
    });

    test('takes any string for a query', async () => {
      const { backend, texts } = await opened();
      await take(backend, texts, [entryOf(said(1), 'a "quoted" text AND more (NEAR the end) col:umn * ^')]);
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(
            fc.string({ unit: 'binary' }),
            fc.string({ unit: 'grapheme' }),
            fc.stringMatching(/^[a-z"'*:^()+\- ]{0,30}$/),
          ),
          async (text) => {
            await find(backend, text);
          },
        ),
        { numRuns: 60 },
      );
      expect(await found(backend, '"quoted" AND NOT (')).toEqual([said(1)]);
      await backend.close();
    });

    test('stops a search that is cancelled', async () => {
      const { backend, texts } = await opened();
      await take(backend, texts, [entryOf(said(1), 'one')]);
      const query: MemoryQuery = { text: 'one', reader: ANNA, limit: 5 };
      await expect(backend.search('main', query, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
      await backend.close();
    });

    if (survives) {
      test('has everything again when it is opened again', async () => {
        const { backend, texts, home } = await opened();
        const entry = entryOf(said(3), 'the summer house has a green door');
        await take(backend, texts, [entry]);
        await until(5_000, async () => (await backend.status('main')).pending === 0 || undefined, 'all to be taken in');
        await backend.close();

        const again = await opened(home, texts);
        expect(await find(again.backend, 'green door')).toMatchObject([{ entry }]);
        expect((await again.backend.positions('main')).get(ANNA.session)).toBe(3);
        expect(await again.backend.status('main')).toMatchObject({ entries: 1, pending: 0 });
        await again.backend.close();
      });
    }
  });
}
