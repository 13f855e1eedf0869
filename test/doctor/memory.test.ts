import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkMemory, memoryFinding } from '../../src/doctor/memory.ts';
import { Database } from '../../src/memory/local/database.ts';
import { tempFolder } from '../support/temp-folder.ts';

const status = { agent: 'main', backend: 'local', entries: 12, pending: 0, embedder: 'offline/1' };

it.each([
  [{}, 'ok', 'of main: 12 entries can be found'],
  [{ pending: 7 }, 'ok', 'it is 7 behind'],
  [{ trouble: 'texts are found by their words only' }, 'warning', 'by their words only'],
])('a memory that is %o is found %s', (changes, expected, text) => {
  const finding = memoryFinding({ ...status, ...changes });
  expect(finding).toMatchObject({ name: 'memory', status: expected, text: expect.stringContaining(text) });
});

it('an index that is damaged is found, and removed with --fix', async () => {
  const home = await tempFolder();
  expect(checkMemory(home, false)).toEqual([]);
  Database.open(join(home, 'memory', 'main')).database.end();
  mkdirSync(join(home, 'memory', 'other'));
  writeFileSync(join(home, 'memory', 'other', 'index.sqlite'), 'no database at all '.repeat(500));
  expect(checkMemory(home, false).map(({ status: how }) => how)).toEqual(['ok', 'wrong']);
  expect(checkMemory(home, true)).toMatchObject([
    { status: 'ok' },
    { status: 'ok', fixed: expect.stringContaining('anew') },
  ]);
  expect(existsSync(join(home, 'memory', 'other'))).toBe(false);
  expect(checkMemory(home, false).map(({ status: how }) => how)).toEqual(['ok']);
});
