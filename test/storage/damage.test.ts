/**
 * Goal: whatever is in the file, nothing crashes and what can be read is read; and a sound file is never taken for a damaged
 * one. Method: files with bits turned over, pages emptied, ends cut off, each from a seed; they are looked at, salvaged, and
 * then read through LMDB in another process, which LMDB would bring down.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, cpSync, mkdtempSync, openSync, readdirSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkStore } from '../../src/storage/check.ts';
import { PageFile } from '../../src/storage/page-file.ts';
import { prepareStore } from '../../src/storage/prepare.ts';
import { repairStore } from '../../src/storage/repair.ts';
import { Store } from '../../src/storage/store.ts';
import { survey } from '../../src/storage/survey.ts';
import { damageValues, entryOf, flipBits, leavesOf, placesIn, sessionOf, storeFile } from '../support/store-files.ts';
import { tempFolder } from '../support/temp-folder.ts';

const SESSIONS = 200;
const ENTRIES = 20;
const ALL = SESSIONS * ENTRIES;
const READER = fileURLToPath(new URL('../support/read-stores.ts', import.meta.url));
const keyOf = (index: number) => `agent:main:dm:api:user-${index}`;

/** The bytes of a sound store, 1.7 MB. Some texts have pages of their own. */
let sound: Buffer;
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dhaavak-test-'));
  const store = new Store(folder);
  for (let seq = 1; seq <= ENTRIES; seq++) {
    await store.journal.commit((batch) => {
      for (let index = 0; index < SESSIONS; index++) {
        const text = index % 20 === 0 ? `long ${seq} `.repeat(500) : `text ${seq} of ${index}.`;
        batch.put(store.entries, [keyOf(index), seq], entryOf(seq, text));
        if (seq === 1) batch.put(store.sessions, keyOf(index), sessionOf(keyOf(index)) as never);
      }
    });
  }
  await store.close();
  sound = await readFile(storeFile(folder));
  rmSync(folder, { recursive: true });
});

/** A copy of the sound store, with `damage` done to it. */
async function damaged(damage: (path: string) => void): Promise<string> {
  const folder = await tempFolder();
  const path = storeFile(folder);
  const file = openSync(path, 'w');
  writeSync(file, sound);
  closeSync(file);
  damage(path);
  return folder;
}

/** What another process reads of these stores; it must not die of it. */
function readThroughLmdb(folders: readonly string[]): { entries: number; sessions: number }[] {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [READER, ...folders], { encoding: 'utf8' });
  expect([status, signal, stderr]).toEqual([0, null, '']);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const emptyPage = (path: string, number: number) => {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(4_096), 0, 4_096, number * 4_096);
  closeSync(file);
};

describe('a sound store', () => {
  it('is found sound, whatever was written, overwritten and removed, also in the middle of it', async () => {
    const folder = await tempFolder();
    const store = new Store(folder);
    let state = 7;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let round = 0; round < 25; round++) {
      const commits = Array.from({ length: 150 }, () => {
        const [session, seq, kind, length] = [keyOf(random(30)), random(200), random(10), 10 ** random(6)];
        return store.journal.commit((batch) => {
          if (kind < 5) batch.put(store.entries, [session, seq], entryOf(seq, 'y'.repeat(length)));
          else if (kind < 8) batch.remove(store.entries, [session, seq]);
          else batch.put(store.images, [session, seq, 0], Buffer.alloc(5 * length));
          if (kind % 2 === 0) batch.put(store.inbox, [session, seq], { message: 'm1' });
          else batch.remove(store.inbox, [session, seq]);
        });
      });
      await Promise.all(commits);
      const { damage, leaves, leavesRead } = survey(storeFile(folder));
      expect([round, damage, leavesRead]).toEqual([round, [], leaves]);
    }
    expect(checkStore(folder)).toMatchObject({ damagedTotal: 0, structure: { damages: 0 } });
    await store.close();
  });
});

describe('a damaged store', () => {
  it('that is found sound does not harm who reads it, and any other is made sound again', async () => {
    const folders: string[] = [];
    let salvaged = 0;
    for (let seed = 1; seed <= 30; seed++) {
      const flips = [1, 5, 40][seed % 3] as number;
      const folder = await damaged((path) => flipBits(path, placesIn(path, flips, seed)));
      const prepared = await prepareStore(folder, { unclean: true });
      if (prepared.salvaged !== undefined) salvaged += 1;
      expect(survey(storeFile(folder)).damage).toEqual([]);
      folders.push(folder);
    }
    expect(salvaged).toBeGreaterThan(10);
    expect(salvaged).toBeLessThan(30);
    for (const { entries, sessions } of readThroughLmdb(folders)) {
      // 40 flips cost at most 40 records or pages, of some 20 records each.
      expect(entries).toBeGreaterThan(ALL - 800);
      expect(sessions).toBeGreaterThan(SESSIONS - 40);
    }
  });

  it.each([
    ['the number of a page', 0, 1],
    ['its kind', 18, 0x20],
    ['how many nodes it has', 20, 0xfff0],
    ['where they begin', 22, 0xffff],
    ['the place of a node', 24, 0xfff0],
    ['the length of a value', 'node', 2, 0x7fff],
    ['the flags of a value', 'node', 4, 1],
    ['the length of a key', 'node', 6, 0xffff],
  ])('is found where %s would lead out of the page', async (_what, place, ...change) => {
    const folder = await damaged((path) => {
      using file = new PageFile(path);
      const number = leavesOf(file, 'entries')[5] as number;
      const page = file.page(number).bytes;
      const node = 24 + page.readUInt16LE(24 + 6); // its fourth
      if (place === 'node') page.writeUInt16LE(change[1] as number, node + (change[0] as number));
      else page.writeUInt16LE(change[0] as number, place as number);
      const writable = openSync(path, 'r+');
      writeSync(writable, page, 0, page.length, number * page.length);
      closeSync(writable);
    });
    expect(survey(storeFile(folder)).damages).toBe(1);
    const { salvaged } = await prepareStore(folder, { unclean: false });
    expect(salvaged?.kept.entries).toBeGreaterThan(ALL - 50);
  });

  it('keeps what its emptied pages did not hold, and says what it lost', async () => {
    const folder = await damaged((path) => {
      using file = new PageFile(path);
      for (const number of leavesOf(file, 'entries').slice(0, 3)) emptyPage(path, number);
    });
    const { salvaged } = await prepareStore(folder, { unclean: false });
    expect(salvaged?.lostPages).toEqual({ entries: 3 });
    expect(salvaged?.kept.sessions).toBe(SESSIONS);
    const { entries, sessions } = readThroughLmdb([folder])[0]!;
    expect(sessions).toBe(SESSIONS);
    expect(entries).toBe(salvaged?.kept.entries);
    expect(entries).toBeGreaterThan(ALL - 100);
    const names = readdirSync(folder).filter((name) => name.startsWith('store.mdb.damaged-'));
    expect(names.sort()).toEqual([salvaged?.aside, `${salvaged?.aside}.json`]);
    expect(JSON.parse(await readFile(join(folder, `${salvaged?.aside}.json`), 'utf8'))).toEqual(salvaged);
  });

  it('gives transcripts whose session lost its record a new one', async () => {
    const folder = await damaged((path) => {
      using file = new PageFile(path);
      emptyPage(path, leavesOf(file, 'sessions')[1] as number);
    });
    const { salvaged } = await prepareStore(folder, { unclean: false });
    expect(salvaged?.made.sessions).toBeGreaterThan(3);
    expect(readThroughLmdb([folder])).toEqual([{ entries: ALL, sessions: SESSIONS }]);
  });

  it('finds records whose tree is gone, and does not bring back what was deleted', async () => {
    const folder = await tempFolder();
    const store = new Store(folder);
    const gone = keyOf(1_000);
    await store.journal.commit((batch) => {
      for (let index = 0; index < 50; index++) {
        for (let seq = 1; seq <= 6; seq++) batch.put(store.entries, [keyOf(index), seq], entryOf(seq));
        batch.put(store.inbox, [keyOf(index), 5], { message: 'm5' }); // answered by entry 6 below, of the same message
        batch.put(store.inbox, [keyOf(index), 6], { message: 'm6' }); // not answered
        batch.put(store.entries, [keyOf(index), 7], { ...entryOf(7), message: 'm5' });
        batch.put(store.sessions, keyOf(index), sessionOf(keyOf(index)) as never);
      }
      for (let seq = 1; seq <= 50; seq++) batch.put(store.entries, [gone, seq], entryOf(seq));
      batch.put(store.sessions, gone, sessionOf(gone) as never);
    });
    await store.journal.commit((batch) => {
      for (let seq = 1; seq <= 50; seq++) batch.remove(store.entries, [gone, seq]);
      batch.remove(store.sessions, gone);
    });
    await store.close();
    const path = storeFile(folder);
    const root = (() => {
      using file = new PageFile(path);
      return file.main.root;
    })();
    emptyPage(path, root);
    const { salvaged } = await prepareStore(folder, { unclean: false });
    expect(salvaged?.strays).toMatchObject({ entries: 50 * 7, sessions: 50 });
    const again = new Store(folder);
    expect(again.entriesBefore(keyOf(3), 99, 99).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(again.unfinished(keyOf(3)).map(({ entry }) => entry.seq)).toEqual([6]);
    expect(again.entriesBefore(gone, 99, 99)).toEqual([]);
    await again.close();
  });

  it.each([0.95, 0.6, 0.3, 0.001, 0])('of which %f of the bytes are left can be started with', async (left) => {
    const folder = await damaged((path) => truncateSync(path, Math.floor(sound.length * left)));
    const { salvaged } = await prepareStore(folder, { unclean: false });
    expect(salvaged?.damage.length).toBeGreaterThan(0);
    const { entries } = readThroughLmdb([folder])[0]!;
    expect(entries).toBe(salvaged?.kept.entries ?? 0);
    // A leaf has some 20 records, and half the pages at any moment are old: what is left of the file holds about as much.
    if (left > 0.5) expect(entries).toBeGreaterThan(ALL * left * 0.5);
  });

  it('is begun anew when the process died while it was salvaged', async () => {
    const folder = await damaged((path) => truncateSync(path, Math.floor(sound.length * 0.6)));
    cpSync(storeFile(folder), join(folder, 'store.salvage.mdb'));
    const { salvaged } = await prepareStore(folder, { unclean: false });
    expect(readThroughLmdb([folder])[0]?.entries).toBe(salvaged?.kept.entries);
    expect(readdirSync(folder).filter((name) => name.startsWith('store.salvage'))).toEqual([]);
  });
});

describe('damaged values', () => {
  it('are passed over and counted, and hide nothing of the transcript around them', async () => {
    const folder = await damaged((path) => damageValues(path, 'entries', 'text 7 of 3.'));
    expect(await prepareStore(folder, { unclean: false })).toEqual({});
    const told: string[] = [];
    const store = new Store(folder, { onDamaged: (table) => told.push(table) });
    const rest = Array.from({ length: ENTRIES }, (_, i) => i + 1).filter((seq) => seq !== 7);
    expect(store.entriesBefore(keyOf(3), 99, 99).map(({ seq }) => seq)).toEqual(rest);
    expect(store.entriesBefore(keyOf(3), 10, 4).map(({ seq }) => seq)).toEqual([5, 6, 8, 9]);
    expect([store.damaged, told]).toEqual([2, ['entries', 'entries']]);
    await store.close();
  });

  it('are named by a check and taken out by a repair, which keeps them in a file and makes sessions anew', async () => {
    const folder = await damaged((path) => {
      damageValues(path, 'entries', 'text 7 of 3.');
      damageValues(path, 'sessions', `title of ${keyOf(5)}.`);
    });
    const check = checkStore(folder);
    expect(check).toMatchObject({ version: check.versionKnown, structure: { damages: 0 }, damagedTotal: 2 });
    expect(check.damaged).toEqual([
      { table: 'entries', key: JSON.stringify([keyOf(3), 7]) },
      { table: 'sessions', key: JSON.stringify(keyOf(5)) },
    ]);
    const { file, removed } = await repairStore(folder);
    expect(removed).toBe(2);
    const lines = (await readFile(join(folder, file as string), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).decoded)).toEqual([[keyOf(3), 7], keyOf(5)]);
    const after = checkStore(folder);
    expect(after).toMatchObject({ damagedTotal: 0, records: { entries: ALL - 1, sessions: SESSIONS } });
    const store = new Store(folder);
    const { createdAt, lastActive, ...made } = store.sessions.get(keyOf(5))!;
    const { createdAt: _, lastActive: __, ...before } = sessionOf(keyOf(5));
    expect(made).toEqual({ ...before, title: null });
    await store.close();
  });
});
