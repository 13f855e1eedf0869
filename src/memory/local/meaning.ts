import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Pace } from '../pace.ts';
import { createVectorIndex, openVectorIndex } from '../vectors/open.ts';
import { hasDirection } from '../vectors/unit-vector.ts';
import type { VectorFilter, VectorIndex } from '../vectors/vector-index.ts';
import type { Conditions } from './conditions.ts';
import type { Database } from './database.ts';
import type { EmbedderSource } from './embedder-source.ts';

/** How long the thread is held at a time, in milliseconds. */
const SLICE_MS = 4;
/** Vectors read from the table at a time. */
const READ_MAX = 32;
/** After so many additions a snapshot is written: what is not in it is added again by the next start, 0.5 ms each. */
const SAVE_EVERY = 20_000;
/** Conditions whose labels are kept: those of who asks again and again. A label takes some 40 bytes. */
const ACCEPTED_MAX = 4;
/** Longest wait for the vector of a query, in milliseconds: then words alone answer. */
const QUERY_MS = 2_000;

export interface MeaningOptions {
  db: Database;
  /** Of the agent: the graph has a folder in it. */
  folder: string;
  embedder: EmbedderSource;
  pace: Pace;
  log: Logger;
  /** A passage's text as it is now; undefined: it is gone, or another. */
  textOf(passage: number): string | undefined;
  /** Something is wrong that is none of the embedder's. */
  onFault(error: unknown): void;
}

/**
 * The vectors of one agent's passages. What is in the table `vectors` is true; the graph is made of it. Passages are embedded in
 * the order of their numbers, so that those without a vector are the ones behind the last that has one.
 */
export class Meaning {
  readonly #options: MeaningOptions;
  readonly #closing = new AbortController();
  #graph: VectorIndex | undefined;
  #opening: Promise<VectorIndex> | undefined;
  /** All vectors up to this label are in the graph. */
  #added = 0;
  #unsaved = 0;
  /** By conditions: the labels that meet them, of all up to a label. */
  readonly #accepted = new Map<string, { labels: Set<number>; upTo: number }>();
  #saving: Promise<void> | undefined;
  #working: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** What was removed is to leave the graph and its snapshot before the work ends. */
  #purges = false;

  constructor(options: MeaningOptions) {
    this.#options = options;
  }

  /** Passages that have no vector of the present embedder yet. */
  get missing(): number {
    const { db } = this.#options;
    return db.get<{ count: number }>('SELECT count(*) AS count FROM passages WHERE id > ?', this.#embedded)?.count ?? 0;
  }

  get isBusy(): boolean {
    return this.#working !== undefined;
  }

  /** There are passages without vectors, or labels that are dead: goes to work, if it does not already. */
  wake(): void {
    if (this.#closing.signal.aborted || this.#working !== undefined) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** Labels of passages that were removed: no search finds them any more. */
  remove(labels: readonly number[]): void {
    for (const label of labels) this.#graph?.remove(label);
  }

  /** Has what was removed leave the graph and its snapshot. Says whether it did: without an embedder there is no graph. */
  async purge(): Promise<boolean> {
    this.#purges = true;
    while (this.#purges && !this.#closing.signal.aborted) {
      this.wake();
      await this.#working;
      if (this.#retry !== undefined) return false;
    }
    return !this.#purges;
  }

  /** Passages that mean what the query does and meet the conditions, nearest first. Rejects as an embedder does. */
  async search(query: string, conditions: Conditions, limit: number, signal: AbortSignal): Promise<number[]> {
    const { db, embedder } = this.#options;
    const timely = AbortSignal.any([signal, AbortSignal.timeout(QUERY_MS)]);
    const [vector] = await embedder.embed([query], timely);
    const graph = await this.#open();
    signal.throwIfAborted();
    if (vector === undefined || !hasDirection(vector)) return [];
    const found = graph.search(vector, limit, conditions.isAll ? undefined : this.#filter(conditions));
    return found.flatMap(
      ({ label }) => db.get<{ passage: number }>('SELECT passage FROM vectors WHERE label = ?', label)?.passage ?? [],
    );
  }

  /** Writes the graph down and frees it. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the memory ends'));
    clearTimeout(this.#retry);
    await this.#working;
    await this.#opening?.catch(() => {});
    await this.#saving?.catch(() => {});
    await this.#save().catch((error: unknown) => this.#options.log.warn({ error }, 'a graph was not written down'));
    await this.#graph?.close();
  }

  get #lastLabel(): number {
    return this.#options.db.get<{ last: number | null }>('SELECT max(label) AS last FROM vectors')?.last ?? 0;
  }

  get #embedded(): number {
    return this.#options.db.get<{ last: number | null }>('SELECT max(passage) AS last FROM vectors')?.last ?? 0;
  }

  #filter(conditions: Conditions): VectorFilter {
    const { db } = this.#options;
    const accepted = this.#acceptedBy(conditions);
    return {
      accepts: (label) => accepted.has(label),
      candidates: {
        count: accepted.size,
        *vectors() {
          for (const label of accepted) {
            const vector = db.get<VectorRow>('SELECT vector FROM vectors WHERE label = ?', label)?.vector;
            if (vector) yield [label, floats(vector)];
          }
        },
      },
    };
  }

  /**
   * The labels of passages that meet conditions; among them may be some that are gone. A row never changes, and labels only grow:
   * so what was found for the same conditions before is gone on from.
   */
  #acceptedBy({ sql, values }: Conditions): ReadonlySet<number> {
    const key = JSON.stringify([sql, values]);
    const known = this.#accepted.get(key) ?? { labels: new Set(), upTo: 0 };
    const upTo = this.#lastLabel;
    // Few entries are new, and few meet most conditions: the table that is gone through first is said here, not chosen by SQLite.
    const from =
      known.upTo === 0
        ? 'entries e CROSS JOIN passages p ON p.entry = e.id CROSS JOIN vectors v ON v.passage = p.id'
        : 'vectors v CROSS JOIN passages p ON p.id = v.passage CROSS JOIN entries e ON e.id = p.entry';
    const rows = this.#options.db.each<{ label: number }>(
      `SELECT v.label FROM ${from} WHERE ${sql} AND v.label > ?`,
      ...values,
      known.upTo,
    );
    for (const { label } of rows) known.labels.add(label);
    known.upTo = upTo;
    // The one that was used last is the last to go.
    this.#accepted.delete(key);
    this.#accepted.set(key, known);
    const [oldest] = this.#accepted.keys();
    if (this.#accepted.size > ACCEPTED_MAX && oldest !== undefined) this.#accepted.delete(oldest);
    return known.labels;
  }

  /** The graph, up to date or on the way to it. Rejects where there is no embedder, or the disk cannot be read. */
  #open(): Promise<VectorIndex> {
    this.#opening ??= this.#openGraph().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #openGraph(): Promise<VectorIndex> {
    const { folder, log } = this.#options;
    const { id: embedder, dimensions } = await this.#options.embedder.ready();
    this.#useEmbedder(embedder, dimensions);
    const options = { folder: join(folder, 'graph'), dimensions, embedder };
    const opened = await openVectorIndex(options);
    if ('index' in opened && opened.tag.generation === this.#generation) {
      this.#graph = opened.index;
      this.#added = opened.tag.position;
      this.remove(this.#dead);
    } else {
      if ('index' in opened) await opened.index.close();
      else if (opened.reason === 'damaged') log.warn({ reason: opened.message }, 'a graph is made anew of its vectors');
      rmSync(options.folder, { recursive: true, force: true });
      this.#graph = await createVectorIndex(options);
      this.#added = 0;
    }
    return this.#graph;
  }

  /** Vectors of another embedder are of no use beside those of this one: they go, and all is embedded again. */
  #useEmbedder(id: string, dimensions: number): void {
    const { db, log } = this.#options;
    const name = `${id} ${dimensions}`;
    const known = db.meta('embedder');
    if (known === name) return;
    db.transaction(() => {
      db.run('DELETE FROM vectors'); // labels go on growing
      db.run('DELETE FROM dead');
      db.setMeta('embedder', name);
      db.setMeta('generation', this.#generation + 1);
    });
    if (known !== undefined) log.info({ from: known, to: name }, 'another embedder: everything is embedded again');
  }

  get #generation(): number {
    return Number(this.#options.db.meta('generation') ?? 0);
  }

  /** Does all there is to do, in slices. Never rejects. */
  async #work(): Promise<void> {
    const { pace, embedder, onFault } = this.#options;
    try {
      const graph = await this.#open();
      for (;;) {
        const startedAt = performance.now();
        const more =
          this.#grow(graph) || (await this.#embedSome()) || graph.step(SLICE_MS) || (await this.#purge(graph));
        if (!more || this.#closing.signal.aborted) break;
        if (this.#unsaved >= SAVE_EVERY) void this.#save().catch(onFault);
        await pace.rest(startedAt);
      }
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      if (embedder.waitMs === 0) onFault(error);
      this.#retry = setTimeout(() => this.wake(), Math.max(embedder.waitMs, 1_000));
      this.#retry.unref();
    }
  }

  /** Adds to the graph what is in the table and not in it. Says whether there was anything. */
  #grow(graph: VectorIndex): boolean {
    const { db } = this.#options;
    const end = performance.now() + SLICE_MS;
    const rows = db.all<VectorRow>(
      'SELECT label, vector FROM vectors WHERE label > ? ORDER BY label LIMIT ?',
      this.#added,
      READ_MAX,
    );
    for (const { label, vector } of rows) {
      if (vector !== null) graph.add(label, floats(vector));
      this.#added = label;
      this.#unsaved += 1;
      if (performance.now() > end) break;
    }
    return rows.length > 0;
  }

  /** Embeds the next passages. Says whether there were any. */
  async #embedSome(): Promise<boolean> {
    const { db, embedder, textOf } = this.#options;
    const { batchMax } = await embedder.ready();
    const next = db.all<{ id: number }>(
      'SELECT id FROM passages WHERE id > ? ORDER BY id LIMIT ?',
      this.#embedded,
      batchMax,
    );
    if (next.length === 0) return false;
    const texts = next.map(({ id }) => textOf(id) ?? '');
    const vectors = await embedder.embed(texts, this.#closing.signal);
    db.transaction(() => {
      for (const [index, { id }] of next.entries()) {
        const vector = vectors[index];
        // A passage that is gone meanwhile has none. One without a direction has a row without a vector, so that it is passed over.
        db.run(
          'INSERT INTO vectors (passage, vector) SELECT id, ? FROM passages WHERE id = ?',
          vector !== undefined && hasDirection(vector) ? bytes(vector) : null,
          id,
        );
      }
    });
    return true;
  }

  /** Says whether there was anything to do. */
  async #purge(graph: VectorIndex): Promise<boolean> {
    if (!this.#purges) return false;
    this.#purges = false;
    graph.compact();
    while (!this.#closing.signal.aborted) {
      const startedAt = performance.now();
      if (!graph.step(SLICE_MS)) break;
      await this.#options.pace.rest(startedAt);
    }
    await this.#saving;
    this.#unsaved += 1;
    await this.#save();
    return true;
  }

  get #dead(): number[] {
    return this.#options.db.all<{ label: number }>('SELECT label FROM dead').map(({ label }) => label);
  }

  #save(): Promise<void> {
    const graph = this.#graph;
    if (graph === undefined || this.#unsaved === 0) return this.#saving ?? Promise.resolve();
    this.#saving ??= (async () => {
      const { db } = this.#options;
      const dead = this.#dead;
      this.#unsaved = 0;
      try {
        await graph.save({ generation: this.#generation, position: this.#added });
        // A snapshot that was written after their removal has no place for them.
        db.transaction(() => {
          for (const label of dead) db.run('DELETE FROM dead WHERE label = ?', label);
        });
      } finally {
        this.#saving = undefined;
      }
    })();
    return this.#saving;
  }
}

interface VectorRow {
  label: number;
  vector: Uint8Array | null;
}

function floats(bytes: Uint8Array | null): Float32Array {
  if (bytes === null) return new Float32Array();
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer);
}

function bytes(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}
