/** The rule of who may recall what, and the filters, as SQL: they let through exactly what the functions do. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MemoryQuery } from '../../src/memory/backend.ts';
import { mayRecall, mayRecallUnasked } from '../../src/memory/entry.ts';
import { conditionsOf } from '../../src/memory/local/conditions.ts';
import { Database } from '../../src/memory/local/database.ts';
import { EntryTable } from '../../src/memory/local/entry-table.ts';
import { aFilter, aReader, manyEntries, passes } from '../support/memory-arbitraries.ts';
import { tempFolder } from '../support/temp-folder.ts';

test('the conditions of a query are the rule and the filter, whatever the entries, readers and filters', async () => {
  const home = await tempFolder();
  const aQuery = fc.record({ reader: aReader, filter: aFilter, unasked: fc.boolean() });
  let round = 0;
  let met = 0;
  fc.assert(
    fc.property(manyEntries, fc.array(aQuery, { minLength: 10, maxLength: 40 }), (all, queries) => {
      round += 1;
      const { database } = Database.open(`${home}/${round}`);
      const table = new EntryTable(database, 'main');
      // A file is one agent's.
      const entries = all.map((entry) => ({ ...entry, agent: 'main' })).filter(unique());
      database.transaction(() => {
        for (const entry of entries) table.put(entry);
      });
      for (const { unasked, ...rest } of queries) {
        const reader = { ...rest.reader, agent: 'main' };
        const query: MemoryQuery = {
          text: '',
          limit: 50,
          filter: rest.filter,
          reader,
          ...(unasked ? { unasked } : {}),
        };
        const { sql, values, isAll } = conditionsOf(query, table.idOf);
        const rows = database.all<{ id: number }>(`SELECT e.id FROM entries e WHERE ${sql}`, ...values);
        const rule = unasked ? mayRecallUnasked : mayRecall;
        const expected = entries.filter((entry) => rule(reader, entry) && passes(entry, rest.filter, reader));
        expect(rows.map(({ id }) => id).toSorted()).toEqual(table.rowsOf(expected.map(({ id }) => id)).toSorted());
        if (isAll) expect(expected).toHaveLength(entries.length);
        met += expected.length;
      }
      database.close();
    }),
    { numRuns: 25 },
  );
  expect(met).toBeGreaterThan(500); // it was about something
});

/** Lets one entry of each id through. */
function unique(): (entry: { id: string }) => boolean {
  const seen = new Set<string>();
  return ({ id }) => !seen.has(id) && seen.add(id) !== undefined;
}
