/**
 * Goal: the sentence that lmdb prints into too little memory is cut in its binary, once, and nothing else is touched.
 * Method: a copy of the binary that the installation leaves as published; test/storage/journal.test.ts fills a disk.
 */
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { patchLmdb } from '../../scripts/patch-lmdb.ts';
import { tempFolder } from '../support/temp-folder.ts';

const INSTALLED = fileURLToPath(
  new URL(`../../node_modules/@lmdb/lmdb-${process.platform}-${process.arch}/`, import.meta.url),
);
const NAME = 'node.napi.glibc.node';
const CUT = ', buffer sizes %i %i %i';
const SENTENCE = 'Attempting to write page at position %u, size %u, blocks %u';

/** The installed binary as it was published. */
async function published(): Promise<string> {
  const path = join(await tempFolder(), NAME);
  await cp(join(INSTALLED, NAME), path);
  const bytes = await readFile(path);
  bytes.write(CUT, bytes.indexOf(SENTENCE) + SENTENCE.length, 'latin1');
  await writeFile(path, bytes);
  return path;
}

test.runIf(process.platform === 'linux')('the installed binary is patched', async () => {
  const bytes = await readFile(join(INSTALLED, NAME));
  expect(bytes.indexOf(SENTENCE)).toBeGreaterThan(0);
  expect(bytes[bytes.indexOf(SENTENCE) + SENTENCE.length]).toBe(0);
});

test('a published binary loses the end of the sentence, once, and keeps every other byte', async () => {
  const path = await published();
  const before = await readFile(path);
  expect(patchLmdb(path)).toBe('patched');
  const after = await readFile(path);
  expect(after).toHaveLength(before.length);
  const changed = [...before.keys()].filter((index) => before[index] !== after[index]);
  expect(before.toString('latin1', changed[0], changed.at(-1)! + 1)).toBe(CUT);
  expect(patchLmdb(path)).toBe('already patched');
  expect(await readFile(path)).toEqual(after);
  expect(await readdir(join(path, '..'))).toEqual([NAME]);
});

test.each([
  ['another sentence', (bytes: Buffer) => bytes.fill('x', bytes.indexOf(CUT), bytes.indexOf(CUT) + 3)],
  ['no such sentence', () => Buffer.alloc(1_000, 'x')],
  ['it twice', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from(SENTENCE)])],
])('a binary with %s is refused in one sentence and left alone', async (_what, change) => {
  const path = await published();
  const bytes = change(await readFile(path));
  await writeFile(path, bytes);
  expect(() => patchLmdb(path)).toThrow(/^\S+ is not a known build of lmdb[^\n]+\.$/);
  expect(await readFile(path)).toEqual(bytes);
});
