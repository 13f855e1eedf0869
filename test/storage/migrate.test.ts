/**
 * Goal: a store of an earlier version is brought to this one whole, also when that is cut short; one of a later version is
 * left alone. Method: stores written as the first version wrote them, migrations of the test's own, a process that is killed.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { migrate } from '../../src/storage/migrate.ts';
import type { Migration } from '../../src/storage/migrations.ts';
import { prepareStore } from '../../src/storage/prepare.ts';
import { openEnvironment, openTable, Store } from '../../src/storage/store.ts';
import { refusedGateway } from '../support/gateway.ts';
import { entryOf, setVersion, storeFile, writeOldStore } from '../support/store-files.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { INBOX_RECORDS } from '../support/test-migrations.ts';

const SESSIONS = ['agent:main:dm:api:ada', 'agent:main:dm:api:grace', 'agent:main:main'];

async function oldStore(entries: number): Promise<string> {
  const folder = await tempFolder();
  await writeOldStore(folder, { sessions: SESSIONS, entries });
  return folder;
}

/** All records of a table, as they are. */
async function recordsOf(folder: string, table: string): Promise<unknown[]> {
  const root = openEnvironment(folder);
  const records = Array.from(openTable<unknown, string>(root, table, () => {}).getRange({}), ({ value }) => value);
  await root.close();
  return records;
}

describe('a store of the first version', () => {
  it('is brought to this one, and nothing in it is lost', async () => {
    const folder = await oldStore(3);
    expect(await prepareStore(folder, { unclean: false })).toEqual({ migratedFrom: 1 });
    const store = new Store(folder);
    expect(store.entriesBefore(SESSIONS[0] as string, 99, 99)).toEqual([1, 2, 3].map((seq) => entryOf(seq)));
    expect(store.unfinished(SESSIONS[2] as string).map(({ record }) => record)).toEqual(
      [1, 2, 3].map((seq) => ({ message: entryOf(seq).message })),
    );
    await store.journal.commit((batch) => batch.put(store.entries, ['agent:main:main', 4], entryOf(4)));
    expect(store.entriesBefore('agent:main:main', 99, 99).map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    expect(store.damaged).toBe(0);
    await store.close();
  });

  it('is migrated one version after the other, in batches, and only once', async () => {
    const folder = await oldStore(1_100);
    const second: Migration = {
      what: 'the second of each session is forgotten',
      tables: { entries: (value, key) => ((key as [string, number])[1] === 2 ? undefined : value) },
    };
    expect(await migrate(folder, [INBOX_RECORDS, second])).toBe(1);
    expect(await migrate(folder, [INBOX_RECORDS, second])).toBe(3);
    const inbox = await recordsOf(folder, 'inbox');
    expect(inbox).toHaveLength(3 * 1_100);
    expect(inbox.slice(0, 2)).toEqual([
      { message: 'm1', changes: 1 },
      { message: 'm2', changes: 1 },
    ]);
    expect(inbox.filter((record) => (record as { changes: number }).changes !== 1)).toEqual([]);
    expect(await recordsOf(folder, 'entries')).toHaveLength(3 * 1_099);
    expect(await recordsOf(folder, 'meta')).toEqual([3]);
  });

  it.each([1, 1_000, 1_500, 2_400])(
    'is whole when the process is killed at record %i and started again',
    async (at) => {
      const folder = await oldStore(800);
      const script = fileURLToPath(new URL('../support/kill-migration.ts', import.meta.url));
      expect(spawnSync(process.execPath, [script, folder, String(at)]).signal).toBe('SIGKILL');
      await migrate(folder, [INBOX_RECORDS]);
      const inbox = await recordsOf(folder, 'inbox');
      expect(inbox).toHaveLength(2_400);
      expect(inbox.filter((record) => (record as { changes: number }).changes !== 1)).toEqual([]);
      expect(await recordsOf(folder, 'meta')).toEqual([2]);
    },
  );
});

it('a file in another format of LMDB is refused and left alone, not taken for a damaged one', async () => {
  const folder = await oldStore(3);
  const file = openSync(storeFile(folder), 'r+');
  for (const page of [0, 4_096]) writeSync(file, Buffer.from([3]), 0, 1, page + 28);
  closeSync(file);
  await expect(prepareStore(folder, { unclean: true })).rejects.toMatchObject({ code: 'store_unusable' });
  expect(readdirSync(folder).filter((name) => name.includes('damaged'))).toEqual([]);
});

describe('a store of a later version', () => {
  it('is refused by the gateway in a sentence that says what to do, and not touched', async () => {
    const folder = await oldStore(3);
    await setVersion(folder, 99);
    const before = await readFile(storeFile(folder));
    const { code, stdout, stderr } = await refusedGateway({ home: folder });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /^Dhaavak: the store in \S+ is of version 99 and this gateway reads up to version \d+: install [^\n]+\n$/,
    );
    expect(await readFile(storeFile(folder))).toEqual(before);
  });

  it('is refused by whoever opens it', async () => {
    const folder = await oldStore(3);
    await setVersion(folder, 99);
    expect(() => new Store(folder)).toThrow(expect.objectContaining({ code: 'store_unusable' }));
    await expect(migrate(folder, [])).rejects.toMatchObject({ code: 'store_unusable' });
  });
});

it('a new store is of this version, whichever shard comes first', async () => {
  const folder = await tempFolder();
  const stores = [new Store(folder), new Store(folder)];
  for (const store of stores) await store.close();
  const version = (await recordsOf(folder, 'meta')).at(-1); // by key: when it was opened stands before it
  expect(await migrate(folder)).toBe(version);
});
