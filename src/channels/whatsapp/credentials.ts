/**
 * The credentials of one account: the identity of the linked device, and the keys of the Signal protocol, which change with
 * every message. WhatsApp gives them once, when the device is linked; whoever loses or mixes them up must link it again.
 *
 * They are in one SQLite file, `credentials.db`, mode 0600. A set of changes is a transaction: after a crash it is there or
 * not, and a write torn by the crash is undone by the log beside the file. The file is made whole under another name first,
 * so an empty or cut one is never taken for a new account: it is set aside, and said. It is locked while it is open: two
 * connections with the same keys would ruin them.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { AuthenticationCreds, SignalDataSet, SignalDataTypeMap, SignalKeyStore } from '@whiskeysockets/baileys';
import type { Logger } from 'pino';
import type { Baileys } from './library.ts';

/**
 * Most entries of the key table: some six for everybody who ever wrote, and 812 keys to be written to. Above it the longest
 * unused go; whoever they were of is asked for keys again, as if for the first time.
 */
const ENTRIES_MAX = 50_000;
/** Changes between two looks at the number of entries. */
const LOOK_EVERY = 1_000;
/** How many files that were set aside are kept. */
const ASIDE_MAX = 3;
const FILE = 'credentials.db';
/** What SQLite puts beside a file. */
const LOGS = ['-wal', '-journal'];
const VERSION = 1;
const SQLITE_BUSY = 5;

const SCHEMA = `
  CREATE TABLE keys (type TEXT, id TEXT, value ANY NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (type, id)) STRICT, WITHOUT ROWID;
  CREATE INDEX keys_used ON keys (used);
  CREATE TABLE sent (id TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${VERSION};
`;

/** The file is no use any more; it has this name now. */
export class DamagedCredentials extends Error {
  override readonly name = 'DamagedCredentials';
  readonly aside: string;

  constructor(aside: string, cause: unknown) {
    super(`the credentials were damaged; they are kept as ${aside}`, { cause });
    this.aside = aside;
  }
}

/** A change of the keys could not be written. What was to be done with them may have happened all the same. */
export class CredentialsFailure extends Error {
  override readonly name = 'CredentialsFailure';
}

export class Credentials {
  readonly creds: AuthenticationCreds;
  readonly keys: SignalKeyStore = { get: (type, ids) => this.#get(type, ids), set: (data) => this.#set(data) };
  readonly #baileys: Baileys;
  readonly #folder: string;
  readonly #log: Logger;
  readonly #db: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;
  #changes = 0;
  #open = true;

  private constructor(folder: string, db: DatabaseSync, creds: AuthenticationCreds, baileys: Baileys, log: Logger) {
    this.#folder = folder;
    this.#db = db;
    this.#statements = prepare(db);
    this.creds = creds;
    this.#baileys = baileys;
    this.#log = log;
  }

  /**
   * Those in the folder; new ones, of a device that is not linked, when there are none. Throws DamagedCredentials, or what
   * the system says when the file cannot be opened or is another process's.
   */
  static open(folder: string, baileys: Baileys, log: Logger): Credentials {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, FILE);
    if (!existsSync(path)) create(folder, path, baileys);
    chmodSync(path, 0o600);
    let db: DatabaseSync | undefined;
    try {
      // SQLite would take it for a new one.
      if (statSync(path).size === 0) throw new Error('the file is empty');
      db = connect(path);
      const creds = read(db, baileys);
      const credentials = new Credentials(folder, db, creds, baileys, log);
      credentials.#prune();
      return credentials;
    } catch (error) {
      db?.close();
      const { errcode } = error as { errcode?: number };
      if (errcode === SQLITE_BUSY) throw new Error('another process uses these credentials', { cause: error });
      if (isSystemError(error)) throw error;
      throw new DamagedCredentials(setAside(folder, 'damaged'), error);
    }
  }

  /** Whether a phone linked the device. */
  get linked(): boolean {
    return this.creds.me !== undefined;
  }

  /** Writes the identity, after a change of `creds`. */
  save(): void {
    this.#write(() => this.#statements.put.run('creds', '', encode(this.creds, this.#baileys), Date.now()));
  }

  /** Notes that a message of ours went out: it may be changed for a while, also after a restart. */
  noteSent(id: string, keepMs: number): void {
    const now = Date.now();
    this.#write(() => {
      this.#statements.forget.run(now - keepMs);
      this.#statements.note.run(id, now);
    });
  }

  /** When a message of ours went out, in milliseconds since the epoch; undefined: long ago, or never. */
  sentAt(id: string): number | undefined {
    return this.#open ? (this.#statements.sent.get(id)?.at as number | undefined) : undefined;
  }

  /** Closes them and gives the file another name, so that the next start begins anew. Returns the name. */
  setAside(why: string): string {
    this.close();
    return setAside(this.#folder, why);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#db.close();
  }

  async #get<T extends keyof SignalDataTypeMap>(
    type: T,
    ids: string[],
  ): Promise<{ [id: string]: SignalDataTypeMap[T] }> {
    const found: { [id: string]: SignalDataTypeMap[T] } = {};
    if (!this.#open) return found;
    for (const id of ids) {
      const row = this.#statements.get.get(type, id);
      if (row !== undefined) found[id] = this.#decode(type, row.value);
    }
    return found;
  }

  async #set(data: SignalDataSet): Promise<void> {
    const now = Date.now();
    this.#write(() => {
      for (const [type, entries] of Object.entries(data)) {
        for (const [id, value] of Object.entries(entries)) {
          this.#changes += 1;
          if (value === null || value === undefined) this.#statements.remove.run(type, id);
          else this.#statements.put.run(type, id, encode(value, this.#baileys), now);
        }
      }
    });
    if (this.#changes < LOOK_EVERY) return;
    this.#changes = 0;
    this.#prune();
  }

  #decode<T extends keyof SignalDataTypeMap>(type: T, stored: unknown): SignalDataTypeMap[T] {
    if (stored instanceof Uint8Array) return Buffer.from(stored) as unknown as SignalDataTypeMap[T];
    const value = JSON.parse(String(stored), this.#baileys.BufferJSON.reviver);
    if (type !== 'app-state-sync-key') return value;
    return this.#baileys.proto.Message.AppStateSyncKeyData.fromObject(value) as unknown as SignalDataTypeMap[T];
  }

  /** All of it or nothing. Throws a CredentialsFailure. */
  #write(change: () => void): void {
    if (!this.#open) throw new CredentialsFailure('the credentials are closed');
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      change();
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw new CredentialsFailure(`the credentials could not be written: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  #prune(): void {
    const count = this.#statements.count.get()!.count as number;
    if (count <= ENTRIES_MAX) return;
    const { changes } = this.#statements.prune.run(count - Math.floor(ENTRIES_MAX * 0.9));
    this.#log.warn({ entries: count, removed: Number(changes) }, 'the keys of the longest unused chats were removed');
  }
}

function prepare(db: DatabaseSync) {
  const statement = (sql: string): StatementSync => db.prepare(sql);
  return {
    get: statement('SELECT value FROM keys WHERE type = ? AND id = ?'),
    put: statement('INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?)'),
    remove: statement('DELETE FROM keys WHERE type = ? AND id = ?'),
    count: statement('SELECT count(*) AS count FROM keys'),
    prune: statement(`DELETE FROM keys WHERE (type, id) IN (SELECT type, id FROM keys
      WHERE type NOT IN ('creds', 'app-state-sync-key', 'app-state-sync-version') ORDER BY used LIMIT ?)`),
    note: statement('INSERT OR REPLACE INTO sent VALUES (?, ?)'),
    sent: statement('SELECT at FROM sent WHERE id = ?'),
    forget: statement('DELETE FROM sent WHERE at < ?'),
  };
}

/** A file with a new identity, whole or not at all. */
function create(folder: string, path: string, baileys: Baileys): void {
  const draft = `${path}.new`;
  for (const end of ['', ...LOGS]) rmSync(`${draft}${end}`, { force: true });
  closeSync(openSync(draft, 'wx', 0o600));
  const db = connect(draft);
  db.exec(SCHEMA);
  prepare(db).put.run('creds', '', encode(baileys.initAuthCreds(), baileys), Date.now());
  db.close();
  renameSync(draft, path);
  const directory = openSync(folder, 'r');
  fsyncSync(directory);
  closeSync(directory);
}

function connect(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
  return db;
}

/** The identity. Throws when the file is not what `create` makes. */
function read(db: DatabaseSync, baileys: Baileys): AuthenticationCreds {
  const check = db.prepare('PRAGMA quick_check(1)').get()!.quick_check;
  if (check !== 'ok') throw new Error(String(check));
  const { user_version } = db.prepare('PRAGMA user_version').get()!;
  if (user_version !== VERSION) throw new Error(`version ${user_version} of the file, not ${VERSION}`);
  const row = db.prepare("SELECT value FROM keys WHERE type = 'creds'").get();
  const creds: AuthenticationCreds | undefined = row && JSON.parse(String(row.value), baileys.BufferJSON.reviver);
  if (!creds?.noiseKey?.private || !creds.signedIdentityKey?.private) throw new Error('there is no identity in it');
  return creds;
}

function encode(value: unknown, baileys: Baileys): string | Uint8Array {
  return value instanceof Uint8Array ? value : JSON.stringify(value, baileys.BufferJSON.replacer);
}

/** Permissions, no space, too many files: not the file's fault. */
function isSystemError(error: unknown): boolean {
  const { code, errcode } = error as { code?: string; errcode?: number };
  // SQLITE_PERM, IOERR, FULL, CANTOPEN, by the low byte of the code (https://www.sqlite.org/rescode.html).
  if (code === 'ERR_SQLITE_ERROR') return [3, 10, 13, 14].includes((errcode ?? 0) & 0xff);
  return code !== undefined && /^E[A-Z]+$/.test(code);
}

function setAside(folder: string, why: string): string {
  const path = join(folder, FILE);
  const aside = `${path}.${why}-${new Date().toISOString().replaceAll(':', '-')}`;
  renameSync(path, aside);
  for (const end of LOGS) {
    if (existsSync(`${path}${end}`)) renameSync(`${path}${end}`, `${aside}${end}`);
  }
  const times = readdirSync(folder).flatMap((name) => /^credentials\.db\.[a-z-]+-(\d{4}-.+Z)$/.exec(name)?.[1] ?? []);
  times.sort();
  for (const time of times.slice(0, -ASIDE_MAX)) {
    for (const name of readdirSync(folder)) if (name.includes(time)) rmSync(join(folder, name));
  }
  return aside;
}
