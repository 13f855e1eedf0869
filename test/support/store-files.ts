/** Store files that no gateway of this version would write: of an earlier version, of a later one, damaged. */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import { PageFile, treeAt } from '../../src/storage/page-file.ts';

const PAGE_BYTES = 4_096;

export const storeFile = (folder: string) => join(folder, 'store.mdb');

export function entryOf(seq: number, text = `text ${seq}`): HistoryEntry {
  return { seq, role: seq % 2 === 1 ? 'user' : 'assistant', text, timestamp: 1, message: `m${seq}` };
}

export function sessionOf(id: string) {
  const [, agent, type, channel, user] = id.split(':');
  const settings = { title: `title of ${id}.`, model: null, thinkingLevel: 'off', followUp: null };
  return { id, agent, type, channel, user, ...settings, tokensUsed: 0, costUsed: 0, createdAt: 1, lastActive: 2 };
}

export interface OldStore {
  sessions: string[];
  /** Entries of each session; every one is in the inbox too. */
  entries: number;
}

/** A store as the first version of the gateway wrote it: no version, no checksums, the message's id in the inbox. */
export async function writeOldStore(folder: string, { sessions, entries }: OldStore): Promise<void> {
  const root = open({ path: storeFile(folder), mapSize: 2 ** 30, maxDbs: 16 });
  const plain = { encoding: 'msgpack' as const, useRecords: false };
  const [sessionTable, entryTable, inbox] = ['sessions', 'entries', 'inbox'].map((name) =>
    root.openDB({ name, ...plain }),
  );
  for (const name of ['keys', 'deletions', 'spending']) root.openDB({ name, ...plain });
  root.openDB({ name: 'images', encoding: 'binary' });
  for (const session of sessions) {
    void sessionTable?.put(session, sessionOf(session));
    for (let seq = 1; seq <= entries; seq++) {
      void entryTable?.put([session, seq], entryOf(seq));
      void inbox?.put([session, seq], `m${seq}`);
    }
  }
  await root.flushed;
  await root.close();
}

/** Changes the version that a store says it is of. */
export async function setVersion(folder: string, version: number): Promise<void> {
  const root = open({ path: storeFile(folder), mapSize: 2 ** 30, maxDbs: 16 });
  await root.openDB({ name: 'meta', encoding: 'msgpack' }).put('version', version);
  await root.close();
}

/** Turns one bit over at each of these places. */
export function flipBits(path: string, places: readonly { byte: number; bit: number }[]): void {
  const file = openSync(path, 'r+');
  const one = Buffer.alloc(1);
  for (const { byte, bit } of places) {
    readSync(file, one, 0, 1, byte);
    one[0]! ^= 1 << bit;
    writeSync(file, one, 0, 1, byte);
  }
  closeSync(file);
}

/** Places all over a file, the same for the same seed: half of them where pages begin, which hold its structure. */
export function placesIn(path: string, count: number, seed: number): { byte: number; bit: number }[] {
  const file = openSync(path, 'r');
  const { size } = fstatSync(file);
  closeSync(file);
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  return Array.from({ length: count }, (_, index) => {
    const page = random(size / PAGE_BYTES) * PAGE_BYTES;
    return { byte: page + random(index % 2 === 0 ? 64 : PAGE_BYTES), bit: random(8) };
  });
}

/** Turns a bit over in the value of each record of `table` whose value holds `text`. Returns how many there were. */
export function damageValues(path: string, table: string, text: string | Buffer): number {
  const places: { byte: number; bit: number }[] = [];
  {
    using file = new PageFile(path);
    for (const number of leavesOf(file, table)) {
      const { bytes } = file.page(number);
      for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
        places.push({ byte: number * PAGE_BYTES + at, bit: 0 });
      }
    }
  }
  flipBits(path, places);
  return places.length;
}

/** The pages of a table's leaves. */
export function leavesOf(file: PageFile, table: string): number[] {
  const main = file.page(file.main.root);
  const index = Array.from({ length: main.count }, (_, i) => i).find((i) =>
    main.key(i).toString('latin1').startsWith(table),
  );
  if (index === undefined) throw new Error(`there is no table ${table}`);
  const { depth, root } = treeAt(main.inline(index), 0);
  let pages = depth === 0 ? [] : [root];
  for (let level = depth; level > 1; level--) {
    pages = pages.flatMap((number) => {
      const page = file.page(number);
      return Array.from({ length: page.count }, (_, i) => page.child(i));
    });
  }
  return pages;
}
