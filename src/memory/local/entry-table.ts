import { crc32 } from 'node:zlib';
import type { MemoryEntry } from '../entry.ts';
import { placeOf } from '../remembered.ts';
import { type Conditions, KINDS, REACHES } from './conditions.ts';
import type { Database } from './database.ts';
import { passagesOf } from './passages.ts';
import { anyOf, indexable, termsOf } from './words.ts';

/** No row has it. */
const NOWHERE = -1;
/** Strings whose numbers are kept in memory. */
const NAMES_MAX = 10_000;
/** Terms of which is kept in how many passages they are, and how long that is taken for true, in milliseconds. */
const FREQUENCIES_MAX = 5_000;
const FREQUENCY_MS = 10 * 60_000;
/** A word that more than this part of the passages have says nothing beside rarer ones, and costs the most. */
const COMMON = 0.2;
/** Pages of the index of words that are written at a time: about a millisecond. */
const MERGED_PAGES = 16;
/** Below so many passages every word is looked for. */
const FEW_PASSAGES = 1_000;

/** A passage that was found, with what the table has of its entry. */
export interface FoundPassage {
  passage: number;
  start: number;
  end: number;
  /** The entry's row. */
  row: number;
  checksum: number;
  entry: Omit<MemoryEntry, 'text'>;
}

interface Row {
  passage: number;
  start: number;
  end: number;
  row: number;
  session: string;
  seq: number | null;
  fact: string | null;
  kind: number;
  owner: string;
  channel: string;
  sender: string;
  reach: number;
  trusted: number;
  timestamp: number;
  message: string;
  checksum: number;
}

const ENTRY_COLUMNS = `
  e.id AS row, s.name AS session, e.seq, e.fact, e.kind, o.name AS owner, c.name AS channel, f.name AS sender,
  e.reach, e.trusted, e.timestamp, e.message, e.checksum`;
const ENTRY_NAMES = `
  JOIN names s ON s.id = e.session JOIN names o ON o.id = e.owner
  JOIN names c ON c.id = e.channel JOIN names f ON f.id = e.sender`;

/** What says whether a text is the one that was taken in. */
export function checksumOf(text: string): number {
  return crc32(text);
}

/** Entries of one agent, their passages and their words. Its methods are to be called in a transaction where they write. */
export class EntryTable {
  readonly #db: Database;
  readonly #agent: string;
  readonly #names = new Map<string, number>();
  readonly #frequencies = new Map<string, { passages: number; at: number }>();
  #count: number;

  constructor(db: Database, agent: string) {
    this.#db = db;
    this.#agent = agent;
    this.#count = this.#db.get<{ count: number }>('SELECT count(*) AS count FROM entries')?.count ?? 0;
  }

  /** Entries. */
  get count(): number {
    return this.#count;
  }

  /** To be called where a transaction was rolled back. */
  recount(): void {
    this.#names.clear();
    this.#count = this.#db.get<{ count: number }>('SELECT count(*) AS count FROM entries')?.count ?? 0;
  }

  /** Adds an entry, in place of one with the same id. Returns the labels of that one, see {@link remove}. */
  put(entry: MemoryEntry): number[] {
    const known = this.#rowOf(entry.id);
    const dead = known === undefined ? [] : this.remove(known);
    const place = placeOf(entry.id);
    const { id } = this.#db.run(
      `INSERT INTO entries (session, seq, fact, kind, owner, channel, sender, reach, trusted, timestamp, message, checksum)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      this.#numberOf(entry.session),
      place?.seq ?? null,
      place === undefined ? entry.id : null,
      KINDS.indexOf(entry.kind),
      this.#numberOf(entry.owner),
      this.#numberOf(entry.channel),
      this.#numberOf(entry.sender),
      REACHES.indexOf(entry.reach),
      entry.trusted ? 1 : 0,
      entry.timestamp,
      entry.message,
      checksumOf(entry.text),
    );
    this.#count += 1;
    for (const { start, end } of passagesOf(entry.text)) {
      const passage = this.#db.run('INSERT INTO passages (entry, start, end) VALUES (?, ?, ?)', id, start, end).id;
      this.#db.run('INSERT INTO words (rowid, text) VALUES (?, ?)', passage, indexable(entry.text.slice(start, end)));
    }
    return dead;
  }

  /** Removes an entry's row and all that hangs on it. Returns its vectors' labels, `dead` until a snapshot is without them. */
  remove(row: number): number[] {
    const labels: number[] = [];
    for (const { id } of this.#db.all<{ id: number }>('SELECT id FROM passages WHERE entry = ?', row)) {
      this.#db.run('DELETE FROM words WHERE rowid = ?', id);
      const label = this.#db.get<{ label: number }>('SELECT label FROM vectors WHERE passage = ?', id)?.label;
      if (label === undefined) continue;
      this.#db.run('INSERT INTO dead (label) VALUES (?)', label);
      this.#db.run('DELETE FROM vectors WHERE label = ?', label);
      labels.push(label);
    }
    this.#db.run('DELETE FROM passages WHERE entry = ?', row);
    this.#count -= this.#db.run('DELETE FROM entries WHERE id = ?', row).changes;
    return labels;
  }

  /** Rows of the entries of a session's transcript up to the number `upTo`, at most `limit`. */
  rowsOfSession(session: string, upTo: number, limit: number): number[] {
    const id = this.idOf(session);
    return this.#db
      .all<{ id: number }>('SELECT id FROM entries WHERE session = ? AND seq <= ? LIMIT ?', id, upTo, limit)
      .map((row) => row.id);
  }

  rowsOf(ids: readonly string[]): number[] {
    return ids.flatMap((id) => this.#rowOf(id) ?? []);
  }

  /** Rows of the oldest entries, facts behind all others. */
  oldest(limit: number): number[] {
    const fact = KINDS.indexOf('fact');
    const said = this.#db.all<{ id: number }>(
      `SELECT id FROM entries WHERE kind != ${fact} ORDER BY timestamp LIMIT ?`,
      limit,
    );
    const facts =
      said.length > 0
        ? []
        : this.#db.all<{ id: number }>(`SELECT id FROM entries WHERE kind = ${fact} ORDER BY timestamp LIMIT ?`, limit);
    return [...said, ...facts].map((row) => row.id);
  }

  /** Entries by their ids, without texts. */
  load(ids: readonly string[]): Omit<FoundPassage, 'passage' | 'start' | 'end'>[] {
    return this.rowsOf(ids).flatMap((id) => {
      const row = this.#db.get<Row>(`SELECT ${ENTRY_COLUMNS} FROM entries e ${ENTRY_NAMES} WHERE e.id = ?`, id);
      return row === undefined ? [] : [this.#found(row)];
    });
  }

  /** Passages that have words of the query and meet the conditions, the best first. */
  searchWords(query: string, conditions: Conditions, limit: number): number[] {
    const terms = this.#telling(termsOf(query));
    if (terms.length === 0) return [];
    const found = this.#db.all<{ id: number }>(
      `SELECT w.rowid AS id FROM words w JOIN passages p ON p.id = w.rowid JOIN entries e ON e.id = p.entry
       WHERE w.words MATCH ? AND ${conditions.sql} ORDER BY w.rank LIMIT ?`,
      anyOf(terms),
      ...conditions.values,
      limit,
    );
    return found.map((row) => row.id);
  }

  /** Goes on rewriting the index of words, so that nothing is left in it of what was removed. Says whether there is more to do. */
  tidyWords(): boolean {
    const before = this.#changes;
    this.#db.run("INSERT INTO words (words, rank) VALUES ('merge', ?)", -MERGED_PAGES);
    return this.#changes - before >= 2; // fewer is what SQLite says of one that had nothing to do
  }

  /** Removes strings that nothing names any more: keys of sessions, and who spoke there. Some 100 ms for 200,000 entries. */
  tidyNames(): void {
    this.#names.clear();
    this.#db.run(
      `DELETE FROM names WHERE id NOT IN (
         SELECT session FROM entries UNION SELECT owner FROM entries UNION SELECT channel FROM entries
         UNION SELECT sender FROM entries UNION SELECT session FROM positions
       )`,
    );
  }

  get #changes(): number {
    return this.#db.get<{ changes: number }>('SELECT total_changes() AS changes')?.changes ?? 0;
  }

  passages(ids: Iterable<number>): FoundPassage[] {
    const found: FoundPassage[] = [];
    for (const id of ids) {
      const row = this.#db.get<Row>(
        `SELECT p.id AS passage, p.start, p.end, ${ENTRY_COLUMNS}
         FROM passages p JOIN entries e ON e.id = p.entry ${ENTRY_NAMES} WHERE p.id = ?`,
        id,
      );
      if (row !== undefined) found.push(this.#found(row));
    }
    return found;
  }

  /** The number of a string that is there. */
  idOf = (name: string): number => {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const id = this.#db.get<{ id: number }>('SELECT id FROM names WHERE name = ?', name)?.id;
    if (id !== undefined) this.#keepName(name, id);
    return id ?? NOWHERE;
  };

  position(session: string, seq: number | undefined): void {
    if (seq === undefined) this.#db.run('DELETE FROM positions WHERE session = ?', this.idOf(session));
    else this.#db.run('INSERT OR REPLACE INTO positions (session, seq) VALUES (?, ?)', this.#numberOf(session), seq);
  }

  positions(): Map<string, number> {
    const rows = this.#db.all<{ name: string; seq: number }>(
      'SELECT n.name, p.seq FROM positions p JOIN names n ON n.id = p.session',
    );
    return new Map(rows.map(({ name, seq }) => [name, seq]));
  }

  /** How much a term says of a passage that has it: its weight in BM25. */
  informationOf = (term: string): number => {
    const passages = this.#frequencyOf(term);
    return Math.log(1 + Math.max(0, this.#passages - passages + 0.5) / (passages + 0.5));
  };

  /** The terms that are rare enough to tell anything; all, where none is. */
  #telling(terms: readonly string[]): readonly string[] {
    const passages = this.#passages;
    if (passages < FEW_PASSAGES) return terms;
    const rare = terms.filter((term) => this.#frequencyOf(term) <= passages * COMMON);
    return rare.length === 0 ? terms : rare;
  }

  /** How many there are, about: some of them may be gone. */
  get #passages(): number {
    return this.#db.get<{ last: number | null }>('SELECT max(id) AS last FROM passages')?.last ?? 0;
  }

  /** In how many passages a term is; 0 also for one that the tokenizer writes otherwise than `termsOf`. */
  #frequencyOf(term: string): number {
    const known = this.#frequencies.get(term);
    if (known !== undefined && performance.now() - known.at < FREQUENCY_MS) return known.passages;
    const passages = this.#db.get<{ doc: number }>('SELECT doc FROM vocabulary WHERE term = ?', term)?.doc ?? 0;
    if (this.#frequencies.size >= FREQUENCIES_MAX) this.#frequencies.clear();
    this.#frequencies.set(term, { passages, at: performance.now() });
    return passages;
  }

  #rowOf(id: string): number | undefined {
    const place = placeOf(id);
    const row =
      place === undefined
        ? this.#db.get<{ id: number }>('SELECT id FROM entries WHERE fact = ?', id)
        : this.#db.get<{ id: number }>(
            'SELECT id FROM entries WHERE fact IS NULL AND session = ? AND seq = ?',
            this.idOf(place.session),
            place.seq,
          );
    return row?.id;
  }

  #numberOf(name: string): number {
    const known = this.idOf(name);
    if (known !== NOWHERE) return known;
    const { id } = this.#db.run('INSERT INTO names (name) VALUES (?)', name);
    this.#keepName(name, id);
    return id;
  }

  #keepName(name: string, id: number): void {
    if (this.#names.size >= NAMES_MAX) this.#names.clear();
    this.#names.set(name, id);
  }

  #found({ passage, start, end, row, checksum, ...columns }: Row): FoundPassage {
    const { session, seq, fact, owner, channel, sender, timestamp, message } = columns;
    return {
      passage,
      start,
      end,
      row,
      checksum,
      entry: {
        id: fact ?? `${session}#${seq}`,
        kind: KINDS[columns.kind] ?? 'user',
        agent: this.#agent,
        session,
        owner,
        channel,
        sender,
        reach: REACHES[columns.reach] ?? 'session',
        trusted: columns.trusted === 1,
        timestamp,
        message,
      },
    };
  }
}
