/**
 * Goal: what a process that was killed had committed and not flushed is durable before the next one tells of it. Method: the
 * file is put into the state that a kill between a commit and its flush leaves, opened as a gateway opens it, and then read as
 * LMDB reads it after a loss of power (its `LMDB_RESTORE=safe`), from a copy.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { expect, it, onTestFinished, vi } from 'vitest';
import { STORE_FILE } from '../../src/storage/page-file.ts';
import { Store } from '../../src/storage/store.ts';
import { storeFile } from '../support/store-files.ts';
import { tempFolder } from '../support/temp-folder.ts';

const UNFLUSHED = 0x1000;
/** Where things stand in a head of the file, in bytes. */
const FLAGS_AT = 52;
const TRANSACTION_AT = 152;

/** Takes back the last flush: its head is the one of `before` again, and the newest one says that it was not flushed. */
function unflush(path: string, before: Buffer): void {
  const bytes = readFileSync(path);
  const pageBytes = before.readUInt32LE(48);
  const flushed = pageBytes / 2;
  before.copy(bytes, flushed, flushed, pageBytes);
  const transactionAt = (head: number) => Number(bytes.readBigUInt64LE(head + TRANSACTION_AT));
  const newest = transactionAt(0) > transactionAt(pageBytes) ? 0 : pageBytes;
  bytes.writeUInt16LE(bytes.readUInt16LE(newest + FLAGS_AT) | UNFLUSHED, newest + FLAGS_AT);
  writeFileSync(path, bytes);
}

/** The keys that would be found after a loss of power. */
async function afterPowerLoss(folder: string): Promise<unknown> {
  const copy = await tempFolder();
  copyFileSync(storeFile(folder), join(copy, STORE_FILE));
  vi.stubEnv('LMDB_RESTORE', 'safe');
  const root = open({ path: join(copy, STORE_FILE), maxDbs: 32 });
  vi.unstubAllEnvs();
  const found = [...root.openDB<true, string>({ name: 'deletions' }).getKeys()];
  await root.close();
  return found;
}

async function write(folder: string, key: string): Promise<void> {
  const store = new Store(folder);
  await store.journal.commit((batch) => batch.put(store.deletions, key, true));
  await store.close();
}

it('a store is durable, with all that is found in it, when it has been opened', async () => {
  const folder = await tempFolder();
  await write(folder, 'flushed');
  const before = readFileSync(storeFile(folder));
  await write(folder, 'in the cache');
  unflush(storeFile(folder), before);
  expect(await afterPowerLoss(folder)).toEqual(['flushed']);

  const store = new Store(folder);
  onTestFinished(() => store.close());
  expect([...store.deletions.getKeys()]).toEqual(['flushed', 'in the cache']);
  expect(await afterPowerLoss(folder)).toEqual(['flushed', 'in the cache']);
});
