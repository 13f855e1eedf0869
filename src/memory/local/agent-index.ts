import { rmSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Forgotten, MemoryHit, MemoryQuery, MemoryStatus } from '../backend.ts';
import { QUERY_LENGTH_MAX, RESULTS_MAX } from '../backend.ts';
import { type MemoryEntry, mayRecall, mayRecallUnasked } from '../entry.ts';
import type { Pace } from '../pace.ts';
import { conditionsOf } from './conditions.ts';
import { Database } from './database.ts';
import type { EmbedderSource } from './embedder-source.ts';
import { checksumOf, EntryTable, type FoundPassage } from './entry-table.ts';
import { Meaning } from './meaning.ts';
import { type Ranked, rank } from './ranking.ts';
import { shareOf, termsOf } from './words.ts';

/** Passages each half of a search brings before they are ranked together. */
const CANDIDATES = 100;
/** Entries removed in one transaction: a few milliseconds. */
const REMOVE_MAX = 50;

/** What is forgotten has left the files so long afterwards, in milliseconds: many deletions are tidied up after together. */
const TIDY_MS = 60_000;
/** In `meta`: something was forgotten that may still stand in the files. */
const UNTIDY = 'untidy';

export interface AgentIndexOptions {
  agent: string;
  folder: string;
  entriesMax: number;
  embedder: EmbedderSource;
  pace: Pace;
  log: Logger;
  /** What stands behind an id now; undefined: it is gone. */
  textOf(id: string): string | undefined;
  now(): number;
  /** Default {@link TIDY_MS}. */
  tidyMs?: number | undefined;
  /** Something went wrong in the background. */
  onFault(error: unknown): void;
}

/** The index of one agent: words, vectors and what is known of the entries, in one file and the graph beside it. */
export class AgentIndex {
  readonly #options: AgentIndexOptions;
  readonly #db: Database;
  readonly #table: EntryTable;
  readonly #meaning: Meaning;
  /** Runs from a deletion until what it took has left the files. */
  #tidying: NodeJS.Timeout | undefined;
  #tidied: Promise<void> | undefined;
  /** Entries that had to leave, since it was opened. */
  #left = 0;
  /** Why it had to be begun anew; undefined: it was there, or is the first. */
  readonly lost: string | undefined;

  /** Opens it. Throws what the system says. */
  constructor(options: AgentIndexOptions) {
    const { database, lost } = Database.open(options.folder);
    this.#options = options;
    this.#db = database;
    this.lost = lost;
    this.#table = new EntryTable(database, options.agent);
    const { folder, embedder, pace, log, onFault } = options;
    this.#meaning = new Meaning({
      db: database,
      folder,
      embedder,
      pace,
      log,
      onFault,
      textOf: (passage) => this.#table.passages([passage]).map((found) => this.#textOf(found))[0],
    });
    this.#meaning.wake();
    if (database.meta(UNTIDY) !== undefined) this.#scheduleTidying();
  }

  get isBusy(): boolean {
    return this.#meaning.isBusy || this.#tidying !== undefined;
  }

  append(session: string, entries: readonly MemoryEntry[], upTo: number): void {
    this.#write(() => {
      const dead = entries.flatMap((entry) => this.#table.put(entry));
      this.#table.position(session, upTo);
      return [...dead, ...this.#makeRoom()];
    });
  }

  save(fact: MemoryEntry): void {
    this.#write(() => [...this.#table.put(fact), ...this.#makeRoom()]);
  }

  positions(): Map<string, number> {
    return this.#table.positions();
  }

  /** Those that are there and have the text that was taken in. */
  load(ids: readonly string[]): MemoryEntry[] {
    return this.#table.load(ids).flatMap(({ entry, checksum }) => {
      const text = this.#options.textOf(entry.id);
      return text !== undefined && checksumOf(text) === checksum ? [{ ...entry, text }] : [];
    });
  }

  async search(query: MemoryQuery, signal: AbortSignal): Promise<MemoryHit[]> {
    const { reader, limit } = query;
    if (reader.agent !== this.#options.agent) return [];
    const text = query.text.slice(0, QUERY_LENGTH_MAX);
    const conditions = conditionsOf(query, this.#table.idOf);
    const byMeaning = await this.#meaning.search(text, conditions, CANDIDATES, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      if (this.#options.embedder.trouble === undefined) this.#options.onFault(error);
      return [];
    });
    const byWords = this.#table.searchWords(text, conditions, CANDIDATES);
    const terms = termsOf(text);
    const words = this.#table.passages(byWords).map((passage) => {
      return { ...passage, share: shareOf(terms, this.#textOf(passage) ?? '', this.#table.informationOf) };
    });
    const ranked = rank(words, this.#table.passages(byMeaning), this.#options.now());
    return this.#hits(ranked, query, Math.min(limit, RESULTS_MAX));
  }

  /** Removes entries in bounded steps; returns how many. */
  async forget(what: Exclude<Forgotten, { everything: true }>): Promise<number> {
    let forgotten = 0;
    this.#db.setMeta(UNTIDY, 1);
    this.#scheduleTidying();
    for (;;) {
      const startedAt = performance.now();
      const rows = this.#next(what);
      if (rows.length > 0) this.#write(() => rows.flatMap((row) => this.#table.remove(row)));
      forgotten += rows.length;
      if ('ids' in what || rows.length < REMOVE_MAX) break;
      await this.#options.pace.rest(startedAt);
    }
    if ('session' in what && what.upTo === undefined) this.#forgetPosition(what.session);
    return forgotten;
  }

  status(): Pick<MemoryStatus, 'entries' | 'pending' | 'trouble'> {
    const { entriesMax, embedder } = this.#options;
    const full =
      this.#left > 0
        ? `full: ${this.#left} of the oldest entries have left it for others (memory.entriesMax is ${entriesMax})`
        : undefined;
    const trouble = embedder.trouble ?? full;
    return {
      entries: this.#table.count,
      pending: this.#meaning.missing,
      ...(trouble === undefined ? {} : { trouble }),
    };
  }

  async close(): Promise<void> {
    this.#stopTidying();
    await this.#meaning.close();
    await this.#tidied;
    this.#db.end();
  }

  /** Closes it and removes its files. Never throws for what is wrong with them. */
  async destroy(): Promise<void> {
    this.#stopTidying();
    await this.#meaning.close().catch(() => {});
    await this.#tidied;
    try {
      this.#db.close();
    } catch {
      // it is damaged
    }
    rmSync(this.#options.folder, { recursive: true, force: true });
  }

  #scheduleTidying(): void {
    this.#tidying ??= setTimeout(() => {
      this.#tidied = this.#tidy().catch(this.#options.onFault);
    }, this.#options.tidyMs ?? TIDY_MS);
  }

  #stopTidying(): void {
    clearTimeout(this.#tidying);
    this.#tidying = undefined;
  }

  /** Has what was forgotten leave the files: words, the graph and its snapshot, and pages that are free. */
  async #tidy(): Promise<void> {
    const timer = this.#tidying;
    const isCut = () => this.#tidying !== timer;
    while (!isCut()) {
      const startedAt = performance.now();
      if (!this.#table.tidyWords()) break;
      await this.#options.pace.rest(startedAt);
    }
    const isPurged = !isCut() && (await this.#meaning.purge());
    if (isCut()) return;
    this.#tidying = undefined;
    if (!isPurged) return;
    this.#table.tidyNames();
    this.#db.run('DELETE FROM meta WHERE key = ?', UNTIDY);
    this.#db.checkpoint();
  }

  /** A transaction, and what follows from it for the vectors. `work` returns the labels that are dead. */
  #write(work: () => number[]): void {
    let dead: number[];
    try {
      dead = this.#db.transaction(work);
    } catch (error) {
      this.#table.recount();
      throw error;
    }
    this.#meaning.remove(dead);
    this.#meaning.wake();
  }

  #forgetPosition(session: string): void {
    this.#write(() => {
      this.#table.position(session, undefined);
      return [];
    });
  }

  #next(what: Exclude<Forgotten, { everything: true }>): number[] {
    if ('ids' in what) return this.#table.rowsOf(what.ids);
    return this.#table.rowsOfSession(what.session, what.upTo ?? Number.POSITIVE_INFINITY, REMOVE_MAX);
  }

  /** Part of a transaction that adds: the oldest entries leave. Returns the labels of their vectors. */
  #makeRoom(): number[] {
    const over = this.#table.count - this.#options.entriesMax;
    if (over <= 0) return [];
    if (this.#left === 0) {
      const { agent, entriesMax, log } = this.#options;
      log.warn({ agent, entriesMax }, 'the memory of an agent is full: its oldest entries are found no more');
    }
    this.#left += over;
    return this.#table.oldest(over).flatMap((row) => this.#table.remove(row));
  }

  #hits(ranked: readonly Ranked[], query: MemoryQuery, limit: number): MemoryHit[] {
    const hits: MemoryHit[] = [];
    for (const { best, score, by } of ranked) {
      if (hits.length >= limit) break;
      const text = this.#textOf(best);
      if (text === undefined) continue;
      const entry = { ...best.entry, text };
      // The conditions have said so before; this is the rule itself.
      if (!(query.unasked ? mayRecallUnasked : mayRecall)(query.reader, entry)) continue;
      hits.push({ entry, score, by });
    }
    return hits;
  }

  /** The passage; undefined where its entry is gone or has another text. */
  #textOf({ entry, checksum, start, end }: FoundPassage): string | undefined {
    const text = this.#options.textOf(entry.id);
    return text === undefined || checksumOf(text) !== checksum ? undefined : text.slice(start, end);
  }
}
