/** The SQLite file of one agent's index: its tables, and what is done with one that cannot be used. */
import { chmodSync, closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';

/** To be raised with every change of the tables or of what is in them: older ones are then made anew. */
const VERSION = 1;
const FILE = 'index.sqlite';
/** Of its pages in memory, in KB. */
const CACHE_KB = 16_384;
/** The file beside it, in bytes, is emptied once it is so long. */
const WAL_BYTES = 4 * 1024 * 1024;

/**
 * An entry has one row, and one a passage. Of their texts there are only the words, in an index that cannot give them back
 * (`content=''`). `vectors` has what the embedder named in `meta` made of passages, under labels that grow; `dead` are labels
 * that may still be in a snapshot of the graph. `positions`: how far each transcript was taken in. Long strings that come
 * again and again stand in `names`.
 */
const TABLES = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
  CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
  CREATE TABLE positions (session INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
  CREATE TABLE entries (
    id INTEGER PRIMARY KEY, session INTEGER NOT NULL, seq INTEGER, fact TEXT, kind INTEGER NOT NULL,
    owner INTEGER NOT NULL, channel INTEGER NOT NULL, sender INTEGER NOT NULL, reach INTEGER NOT NULL,
    trusted INTEGER NOT NULL, timestamp INTEGER NOT NULL, message TEXT NOT NULL, checksum INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX entries_by_place ON entries (session, seq) WHERE fact IS NULL;
  CREATE UNIQUE INDEX entries_by_fact ON entries (fact) WHERE fact IS NOT NULL;
  CREATE INDEX entries_by_session ON entries (session);
  CREATE INDEX entries_by_owner ON entries (owner);
  CREATE INDEX entries_by_time ON entries (timestamp);
  CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, entry INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL
  );
  CREATE INDEX passages_by_entry ON passages (entry);
  CREATE VIRTUAL TABLE words USING fts5 (
    text, content='', contentless_delete=1, tokenize="unicode61 remove_diacritics 2"
  );
  CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, row);
  CREATE TABLE vectors (label INTEGER PRIMARY KEY AUTOINCREMENT, passage INTEGER NOT NULL UNIQUE, vector BLOB);
  CREATE TABLE dead (label INTEGER PRIMARY KEY);
`;

/** SQLite's codes of a file that is damaged, and of one that is none of its own. */
const CORRUPT = 11;
const NOT_A_DATABASE = 26;

/** Whether an error says that the file is of no more use. */
export function isDamage(error: unknown): boolean {
  const { errcode } = error as { errcode?: number };
  return errcode !== undefined && [CORRUPT, NOT_A_DATABASE].includes(errcode & 0xff);
}

/** An open file with its prepared statements. All calls are synchronous, and throw what SQLite throws. */
export class Database {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /**
   * Opens the file in `folder` (mode 0700, its own 0600), made where it is not there. One that is damaged, or of another version,
   * is removed with all that stands beside it and begun anew: `lost` says why. Throws what the system says.
   */
  static open(folder: string): { database: Database; lost: string | undefined } {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, FILE);
    closeSync(openSync(path, 'a', 0o600));
    chmodSync(path, 0o600);
    try {
      const database = new Database(new DatabaseSync(path));
      const lost = database.#prepare();
      if (lost === undefined) return { database, lost };
      database.close();
      return { database: Database.#anew(folder), lost };
    } catch (error) {
      if (!isDamage(error)) throw error;
      return { database: Database.#anew(folder), lost: (error as Error).message };
    }
  }

  static #anew(folder: string): Database {
    rmSync(folder, { recursive: true });
    return Database.open(folder).database;
  }

  /** Makes it one that can be used. Says why it cannot be. */
  #prepare(): string | undefined {
    this.#db.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;
      PRAGMA cache_size = -${CACHE_KB}; PRAGMA journal_size_limit = ${WAL_BYTES}; PRAGMA temp_store = MEMORY;
    `);
    const { user_version: version } = this.get<{ user_version: number }>('PRAGMA user_version') ?? { user_version: 0 };
    if (version === 0 && this.get('SELECT 1 FROM sqlite_schema LIMIT 1') === undefined) {
      this.transaction(() => this.#db.exec(`${TABLES}; PRAGMA user_version = ${VERSION}`));
    } else if (version !== VERSION) {
      return `it is of version ${version}, not ${VERSION}`;
    }
    // After a clean end nothing can have been cut short: what is flipped since then is found where it is met.
    if (this.meta('open') !== undefined) {
      const { quick_check: found } = this.get<{ quick_check: string }>('PRAGMA quick_check(1)') ?? {
        quick_check: 'ok',
      };
      if (found !== 'ok') return found;
    }
    this.setMeta('open', 1);
    return undefined;
  }

  get<T>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return this.#statement(sql).get(...values) as T | undefined;
  }

  all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#statement(sql).all(...values) as T[];
  }

  /** One row after the other; nothing else may be done with the same statement meanwhile. */
  each<T>(sql: string, ...values: SQLInputValue[]): IterableIterator<T> {
    return this.#statement(sql).iterate(...values) as IterableIterator<T>;
  }

  /** Returns the id of the row that was put in, and how many were changed. */
  run(sql: string, ...values: SQLInputValue[]): { id: number; changes: number } {
    const { lastInsertRowid, changes } = this.#statement(sql).run(...values);
    return { id: Number(lastInsertRowid), changes: Number(changes) };
  }

  /** All of it or, when it throws, nothing. */
  transaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  meta(key: string): string | number | undefined {
    return this.get<{ value: string | number }>('SELECT value FROM meta WHERE key = ?', key)?.value;
  }

  setMeta(key: string, value: string | number): void {
    this.run('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)', key, value);
  }

  /** Writes down that nothing was cut short, and closes. */
  end(): void {
    this.run("DELETE FROM meta WHERE key = 'open'");
    this.checkpoint();
    this.close();
  }

  /** Has the file hold everything, and nothing beside it. */
  checkpoint(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
