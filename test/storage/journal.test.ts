import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import { Journal } from '../../src/storage/journal.ts';
import { lockFolder } from '../../src/storage/lock.ts';
import { Store } from '../../src/storage/store.ts';
import type { FillReport } from '../support/fill-store.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dhaavak-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const entry = (seq: number): HistoryEntry => ({
  seq,
  role: 'user',
  text: `text ${seq}`,
  timestamp: 1,
  message: `m${seq}`,
});

describe('the journal', () => {
  it('resolves a commit when it can be read, also by another opening of the same folder', async () => {
    const store = new Store(folder);
    await store.journal.commit((batch) => batch.put(store.entries, ['s', 1], entry(1)));
    expect(store.entriesBefore('s', 9, 10)).toEqual([entry(1)]);
    await store.close();
    const again = new Store(folder);
    expect(again.lastSeq('s')).toBe(1);
    await again.close();
  });

  it('waits for the flush and not only for the commit', async () => {
    const flush = Promise.withResolvers<void>();
    const root = { flushed: flush.promise } as unknown as ConstructorParameters<typeof Journal>[0];
    const table = { put: () => Promise.resolve(true) } as unknown as Store['deletions'];
    let done = false;
    const commit = new Journal(root)
      .commit((batch) => batch.put(table, 's', true))
      .then(() => {
        done = true;
      });
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(done).toBe(false);
    flush.resolve();
    await commit;
  });

  it('keeps the order of many commits of one turn and of those that arrive while one is written', async () => {
    const store = new Store(folder);
    const order: number[] = [];
    const commits: Promise<unknown>[] = [];
    for (let i = 1; i <= 6_000; i++) {
      if (i % 700 === 0) await new Promise((resolve) => setImmediate(resolve));
      commits.push(
        store.journal.commit((batch) => batch.put(store.entries, ['s', i], entry(i))).then(() => order.push(i)),
      );
    }
    await Promise.all(commits);
    expect(order).toEqual(Array.from({ length: 6_000 }, (_, i) => i + 1));
    expect(store.entriesBefore('s', Number.MAX_SAFE_INTEGER, 10_000)).toHaveLength(6_000);
    await store.close();
  });

  it('writes all of a commit or none of it when the disk is full, says so, and goes on when there is room', async () => {
    // A process that may write files of 3 MB only: to lmdb that is a full disk.
    const script = fileURLToPath(new URL('../support/fill-store.ts', import.meta.url));
    const command = `ulimit -f 3000; exec "${process.execPath}" "${script}" "${folder}"`;
    const { stdout } = await promisify(execFile)('bash', ['-c', command]);
    const { outcomes, entries, unfinished, afterwards } = JSON.parse(stdout) as FillReport;
    const accepted = outcomes.filter((outcome) => outcome === 'ok').length;
    expect(accepted).toBeGreaterThan(0);
    expect(new Set(outcomes)).toEqual(new Set(['ok', 'storage_failed']));
    expect([entries, unfinished]).toEqual([accepted, accepted]);
    expect(afterwards).toBe('ok');
  });
});

describe('the store', () => {
  it('pages a transcript backwards and never reads into another session', async () => {
    const store = new Store(folder);
    await store.journal.commit((batch) => {
      for (let seq = 1; seq <= 5; seq++)
        for (const s of ['a', 'ab', 'b']) batch.put(store.entries, [s, seq], entry(seq));
    });
    expect(store.entriesBefore('a', 4, 2).map(({ seq }) => seq)).toEqual([2, 3]);
    expect(store.entriesBefore('ab', 99, 99).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    expect(store.lastSeq('a')).toBe(5);
    expect(store.lastSeq('nobody')).toBe(0);
    await store.close();
  });
});

describe('the folder lock', () => {
  it('lets one gateway in, names it to the second, and lets the next in when the first has left', () => {
    const unlock = lockFolder(folder);
    expect(() => lockFolder(folder)).toThrow(expect.objectContaining({ code: 'in_use' }));
    expect(() => lockFolder(folder)).toThrow(new RegExp(`process ${process.pid}`));
    unlock();
    lockFolder(folder)();
  });
});
