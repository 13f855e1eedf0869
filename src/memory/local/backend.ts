/** The built-in backend: for each agent a folder with an SQLite file and a graph, see docs/memory.md. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { DhaavakError } from '../../protocol/errors.ts';
import type { Forgotten, MemoryBackend, MemoryHit, MemoryQuery, MemoryStatus } from '../backend.ts';
import type { Embedder } from '../embedders/embedder.ts';
import type { MemoryEntry } from '../entry.ts';
import type { Pace } from '../pace.ts';
import { AgentIndex } from './agent-index.ts';
import { isDamage } from './database.ts';
import { EmbedderSource } from './embedder-source.ts';

export interface LocalBackendOptions {
  /** Where agents' folders are made. */
  folder: string;
  /** Entries of one agent, at most. */
  entriesMax: number;
  createEmbedder(signal: AbortSignal): Promise<Embedder>;
  pace: Pace;
  log: Logger;
  /** The whole text of an entry as it is now; undefined: it is gone. */
  textOf(agent: string, id: string): string | undefined;
  now(): number;
  /** All that was taken in for an agent is lost: it must be given again. */
  onLost(agent: string): void;
  /** How long after a deletion its words and vectors leave the files, in milliseconds; default a minute. */
  tidyMs?: number;
}

export class LocalBackend implements MemoryBackend {
  readonly name = 'local';
  readonly #options: LocalBackendOptions;
  readonly #embedder: EmbedderSource;
  readonly #indexes = new Map<string, AgentIndex>();
  /** Agents whose index is being removed. No other is opened until its files are gone. */
  readonly #ending = new Map<string, Promise<void>>();

  constructor(options: LocalBackendOptions) {
    this.#options = options;
    this.#embedder = new EmbedderSource(options.createEmbedder, options.log);
  }

  /** There is work in the background. */
  get isBusy(): boolean {
    return [...this.#indexes.values()].some((index) => index.isBusy);
  }

  append(agent: string, session: string, entries: readonly MemoryEntry[], upTo: number): Promise<void> {
    return this.#with(agent, (index) => index.append(session, entries, upTo));
  }

  positions(agent: string): Promise<ReadonlyMap<string, number>> {
    return this.#with(agent, (index) => index.positions());
  }

  save(agent: string, fact: MemoryEntry): Promise<void> {
    return this.#with(agent, (index) => index.save(fact));
  }

  load(agent: string, ids: readonly string[]): Promise<readonly MemoryEntry[]> {
    return this.#with(agent, (index) => index.load(ids));
  }

  search(agent: string, query: MemoryQuery, signal: AbortSignal): Promise<readonly MemoryHit[]> {
    return this.#with(agent, (index) => index.search(query, signal));
  }

  forget(agent: string, what: Forgotten): Promise<number> {
    if ('everything' in what) return this.#forgetAll(agent);
    return this.#with(agent, (index) => index.forget(what));
  }

  status(agent: string): Promise<MemoryStatus> {
    return this.#with(agent, (index) => ({
      agent,
      backend: this.name,
      embedder: this.#embedder.id,
      ...index.status(),
    }));
  }

  async close(): Promise<void> {
    this.#embedder.close();
    await Promise.all(this.#ending.values());
    const indexes = [...this.#indexes];
    this.#indexes.clear();
    for (const [agent, index] of indexes) {
      await index.close().catch((error: unknown) => {
        this.#options.log.warn({ agent, error }, 'an index of the memory was not closed as it should be');
      });
    }
  }

  async #forgetAll(agent: string): Promise<number> {
    await this.#ending.get(agent);
    const index = this.#indexes.get(agent);
    if (index === undefined) {
      rmSync(this.#folderOf(agent), { recursive: true, force: true });
      return 0;
    }
    const { entries } = index.status();
    await this.#end(agent, index);
    return entries;
  }

  /** Does it with the agent's index. One that turns out to be damaged is thrown away, and what was asked for rejects with `unavailable`. */
  async #with<T>(agent: string, work: (index: AgentIndex) => T | Promise<T>): Promise<T> {
    await this.#ending.get(agent);
    const index = this.#indexes.get(agent) ?? this.#open(agent);
    try {
      return await work(index);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#discard(agent, index, error);
      throw new DhaavakError('unavailable', 'the index of the memory was damaged and is made anew', { cause: error });
    }
  }

  #open(agent: string): AgentIndex {
    const { entriesMax, pace, log, textOf, now, tidyMs } = this.#options;
    const index: AgentIndex = new AgentIndex({
      agent,
      folder: this.#folderOf(agent),
      entriesMax,
      embedder: this.#embedder,
      pace,
      log,
      now,
      tidyMs,
      textOf: (id) => textOf(agent, id),
      onFault: (error) => {
        if (isDamage(error)) this.#discard(agent, index, error);
        else log.error({ agent, error }, 'an index of the memory could not be brought up to date');
      },
    });
    this.#indexes.set(agent, index);
    if (index.lost !== undefined) this.#tellLost(agent, index.lost);
    return index;
  }

  #discard(agent: string, index: AgentIndex, error: unknown): void {
    if (this.#indexes.get(agent) !== index) return;
    void this.#end(agent, index);
    this.#tellLost(agent, (error as Error).message);
  }

  /** Closes an index and removes its files. */
  #end(agent: string, index: AgentIndex): Promise<void> {
    this.#indexes.delete(agent);
    const ended = index.destroy().finally(() => this.#ending.delete(agent));
    this.#ending.set(agent, ended);
    return ended;
  }

  #tellLost(agent: string, reason: string): void {
    this.#options.log.error(
      { agent, reason },
      'the index of the memory is of no use: it is made anew from the transcripts',
    );
    this.#options.onLost(agent);
  }

  #folderOf(agent: string): string {
    return join(this.#options.folder, agent);
  }
}
