import { closeSync, copyFileSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { writePrivateFile } from '../config/private-file.ts';
import { Codec } from './codec.ts';
import { NoHeadError, PageFile, STORE_FILE } from './page-file.ts';
import { decodedKey, type RawRecord, ReadableFile } from './readable.ts';
import { sessionOfKey } from './session-record.ts';

/** The new store while it is being written, and what LMDB puts beside it. */
const DRAFT = 'store.salvage.mdb';
/** Records written in one transaction. */
const BATCH_MAX = 1_000;

/** What became of a damaged store; kept beside the file that was set aside, as `….json`. */
export interface Salvage {
  at: string;
  /** Name of the damaged file in the data folder. */
  aside: string;
  damage: readonly string[];
  /** By table: records that are in the new store, of these those found on pages that nothing led to any more. */
  kept: Record<string, number>;
  strays: Record<string, number>;
  /** By table: records that were made anew, from what was left. */
  made: Record<string, number>;
  /** By table: records that were seen and could not be read, and pages that could not, with all they held or led to. */
  lostRecords: Record<string, number>;
  lostPages: Record<string, number>;
}

/**
 * Puts what can be read of the damaged store in `folder` into a new one, and sets the damaged file aside. Whoever is
 * killed half-way begins anew. Nobody may have the store open. Needs as much room on the disk as the store takes.
 * Throws what the system or LMDB says.
 */
export async function salvage(folder: string, damage: readonly string[]): Promise<Salvage> {
  const path = join(folder, STORE_FILE);
  const draft = join(folder, DRAFT);
  removeDraft(draft);
  const at = new Date().toISOString();
  const aside = `${STORE_FILE}.damaged-${at.replaceAll(/[-:]|\.\d+/g, '')}`;
  const report: Salvage = { at, aside, damage, kept: {}, strays: {}, made: {}, lostRecords: {}, lostPages: {} };
  const rescuer = new Rescuer(open({ path: draft, mapSize: 64 * 1024 ** 3, maxDbs: 64 }), report);
  try {
    rescuer.rescue(path);
  } finally {
    await rescuer.close();
  }
  flush(draft);
  setAside(path, join(folder, aside));
  renameSync(draft, path);
  flush(folder);
  removeDraft(draft);
  await writePrivateFile(join(folder, `${aside}.json`), `${JSON.stringify(report, null, 2)}\n`);
  return report;
}

class Rescuer {
  readonly #root: RootDatabase;
  readonly #report: Salvage;
  readonly #tables = new Map<string, Database<Buffer, Buffer>>();

  constructor(root: RootDatabase, report: Salvage) {
    this.#root = root;
    this.#report = report;
  }

  close(): Promise<void> {
    return this.#root.close();
  }

  rescue(path: string): void {
    try {
      using file = new PageFile(path);
      const readable = new ReadableFile(file);
      this.#inBatches(readable.records(), (record) => this.#keep(record));
      if (readable.lostPages.has('sessions') || readable.lostRecords.has('sessions')) this.#makeSessions();
      // Sessions first: of what else strays only what belongs to one is taken.
      this.#inBatches(readable.strays(), (record) => record.table === 'sessions' && this.#keepStray(record));
      this.#inBatches(readable.strays(), (record) => this.#isWanted(record) && this.#keepStray(record));
      Object.assign(this.#report.lostRecords, Object.fromEntries(readable.lostRecords));
      Object.assign(this.#report.lostPages, Object.fromEntries(readable.lostPages));
    } catch (error) {
      if (!(error instanceof NoHeadError)) throw error; // else nothing can be read
    }
  }

  #inBatches(records: Iterable<RawRecord>, write: (record: RawRecord) => void): void {
    const batch: RawRecord[] = [];
    const writeBatch = () => {
      for (const { table } of batch) this.#table(table); // not within a transaction
      this.#root.transactionSync(() => {
        for (const record of batch) write(record);
      });
      batch.length = 0;
    };
    for (const record of records) {
      batch.push(record);
      if (batch.length === BATCH_MAX) writeBatch();
    }
    writeBatch();
  }

  /** Gives the transcripts that have lost their session's record a new one. */
  #makeSessions(): void {
    const [entries, sessions, deletions] = ['entries', 'sessions', 'deletions'].map((name) => this.#table(name));
    const codec = new Codec(() => {});
    const keys = new Set<string>();
    for (const key of entries!.getKeys()) keys.add(key.toString('latin1', 0, key.indexOf(0)));
    this.#root.transactionSync(() => {
      for (const session of keys) {
        const key = Buffer.from(session, 'latin1');
        if (sessions!.doesExist(key) || deletions!.doesExist(key)) continue;
        sessions!.putSync(key, Buffer.from(codec.encode(sessionOfKey(session, Date.now()))));
        count(this.#report.made, 'sessions');
      }
    });
  }

  #keep({ table, key, value }: RawRecord): void {
    this.#table(table).putSync(key, value);
    count(this.#report.kept, table);
  }

  /** What the tables led to, and what was found on a newer page, is not replaced. */
  #keepStray(record: RawRecord): void {
    if (this.#table(record.table).doesExist(record.key)) return;
    this.#keep(record);
    count(this.#report.strays, record.table);
  }

  /** Old pages must not bring back what was deleted, nor have answered what was answered. */
  #isWanted({ table, key }: RawRecord): boolean {
    if (table === 'spending' || table === 'meta') return true;
    const parts = decodedKey(key);
    const session = Array.isArray(parts) ? parts[0] : undefined;
    if (typeof session !== 'string' || !this.#table('sessions').doesExist(Buffer.from(session))) return false;
    return table !== 'inbox' || !this.#isAnswered(key);
  }

  /** Whether the transcript has more of the message whose entry has this key than the message. */
  #isAnswered(key: Buffer): boolean {
    const codec = new Codec(() => {});
    let message: unknown;
    const session = key.subarray(0, key.indexOf(0));
    for (const { key: other, value } of this.#table('entries').getRange({ start: key })) {
      if (!session.equals(other.subarray(0, other.indexOf(0)))) return false;
      const entry = codec.decode(value) as { message: unknown; role: unknown } | undefined;
      if (other.equals(key)) message = entry?.message;
      else if (message !== undefined && entry?.message === message) return true;
    }
    return false;
  }

  /** Keys and values as they are. */
  #table(name: string): Database<Buffer, Buffer> {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = this.#root.openDB({ name, encoding: 'binary', keyEncoding: 'binary' });
      this.#tables.set(name, table);
    }
    return table;
  }
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** Gives the file a second name: at no moment is there no store, which would be taken for a new one. */
function setAside(path: string, aside: string): void {
  try {
    linkSync(path, aside);
  } catch {
    copyFileSync(path, aside); // a file system without links
  }
}

function removeDraft(draft: string): void {
  for (const file of [draft, `${draft}-lock`]) rmSync(file, { force: true });
}

function flush(path: string): void {
  const file = openSync(path, 'r');
  fsyncSync(file);
  closeSync(file);
}
