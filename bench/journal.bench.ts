/** Durable commits of the journal (two records each), beside a flushed append to a plain file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HistoryEntry } from '../src/protocol/messages.ts';
import { Store } from '../src/storage/store.ts';
import type { BenchReport, BenchRow } from './report.ts';

const COMMITS = 20_000;

export async function run(): Promise<BenchReport> {
  const folder = mkdtempSync(join(tmpdir(), 'dhaavak-bench-'));
  const store = new Store(join(folder, 'store'));
  try {
    const baseline = await appends(join(folder, 'plain'));
    const rows: BenchRow[] = [
      { label: 'append and fdatasync of a plain file', value: baseline, unit: 'a second', ratio: 1 },
    ];
    for (const writers of [1, 64, 1_000]) {
      const value = await commits(store, writers);
      rows.push({ label: `durable commits, ${writers} writers`, value, unit: 'a second', ratio: value / baseline });
    }
    return { name: 'journal', rows };
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

async function appends(file: string): Promise<number> {
  const handle = await open(file, 'w');
  const bytes = Buffer.alloc(316);
  const startedAt = performance.now();
  const count = 1_000;
  for (let i = 0; i < count; i++) {
    await handle.write(bytes);
    await handle.datasync();
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  await handle.close();
  return count / seconds;
}

async function commits(store: Store, writers: number): Promise<number> {
  const count = writers === 1 ? COMMITS / 20 : COMMITS;
  let next = 0;
  const startedAt = performance.now();
  const write = async () => {
    while (next < count) {
      const seq = ++next;
      const session = `agent:main:dm:api:${seq % 1_000}`;
      const entry: HistoryEntry = {
        seq,
        role: 'user',
        text: 'x'.repeat(200),
        timestamp: startedAt,
        message: `m${seq}`,
      };
      await store.journal.commit((batch) => {
        batch.put(store.entries, [session, seq], entry);
        batch.put(store.inbox, [session, seq], { message: entry.message });
      });
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  return count / ((performance.now() - startedAt) / 1_000);
}
