import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** Words as FTS5's tokenizer takes them, nearly. */
const WORD = /[\p{L}\p{M}\p{N}]+/gu;

export interface KeywordHit {
  entry: number;
  /** How much of the question it has, from 0 to 1: a rare word is more of it than a frequent one. */
  share: number;
}

/** Search by words alone, as a baseline: SQLite's FTS5 in memory, ranked by BM25. */
export class Keywords {
  readonly #search: StatementSync;
  readonly #words: readonly ReadonlySet<string>[];
  /** In how many entries a word is. */
  readonly #counts = new Map<string, number>();

  constructor(entries: readonly string[]) {
    const db = new DatabaseSync(':memory:');
    db.exec('CREATE VIRTUAL TABLE words USING fts5 (text, tokenize="unicode61 remove_diacritics 2")');
    const insert = db.prepare('INSERT INTO words (rowid, text) VALUES (?, ?)');
    db.exec('BEGIN');
    for (const [i, text] of entries.entries()) insert.run(i + 1, text);
    db.exec('COMMIT');
    this.#search = db.prepare('SELECT rowid - 1 AS entry FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?');
    this.#words = entries.map(wordsOf);
    for (const words of this.#words)
      for (const word of words) this.#counts.set(word, (this.#counts.get(word) ?? 0) + 1);
  }

  /** Entries that have any word of the question, best first. */
  search(question: string, limit: number): KeywordHit[] {
    const words = [...wordsOf(question)];
    const whole = this.#information(words);
    const found = this.#search.all(words.map((word) => `"${word}"`).join(' OR '), limit) as { entry: number }[];
    return found.map(({ entry }) => {
      return { entry, share: this.#information(words.filter((word) => this.#words[entry]!.has(word))) / whole };
    });
  }

  /** The sum of the words' weights in BM25. */
  #information(words: readonly string[]): number {
    const total = this.#words.length;
    return words.reduce((sum, word) => {
      const count = this.#counts.get(word) ?? 0;
      return sum + Math.log(1 + (total - count + 0.5) / (count + 0.5));
    }, 0);
  }
}

function wordsOf(text: string): Set<string> {
  return new Set(text.toLowerCase().match(WORD) ?? []);
}
