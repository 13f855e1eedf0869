import type { Logger } from 'pino';
import type { Config } from '../config/schema.ts';
import { DhaavakError } from '../protocol/errors.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Store } from '../storage/store.ts';
import { type MemoryHit, type MemoryQuery, QUERY_LENGTH_MAX } from './backend.ts';
import type { MemoryReader } from './entry.ts';
import { Facts } from './facts.ts';
import { MemoryNews } from './news.ts';
import { type MemorySession, readerOf } from './reader.ts';
import { AutomaticRecall } from './recall.ts';
import type { MemoryServices } from './services.ts';
import { mayBeGiven, verified } from './verified.ts';

/** Longest time a search is waited for that somebody asked for, in milliseconds: the memory's thread may have to start. */
const SEARCH_MS_MAX = 10_000;

export interface ShardMemoryParts {
  config: Pick<Config, 'memory'>;
  store: Store;
  services: MemoryServices;
  clock: Clock;
  newId(): string;
  log: Logger;
}

/** The memory as a shard has it: what it tells the memory's thread, what it asks of it, and the facts. */
export class ShardMemory {
  readonly news: MemoryNews;
  readonly facts: Facts;
  readonly recall: AutomaticRecall;
  readonly #parts: ShardMemoryParts;

  constructor(parts: ShardMemoryParts) {
    const { clock, config, log, newId, services, store } = parts;
    this.#parts = parts;
    const written = () => store.journal.commit(() => {});
    const news = new MemoryNews({ services, clock, written, log });
    this.news = news;
    this.facts = new Facts({ store, newId, now: () => clock.now(), onChange: (agent) => news.facts(agent) });
    const search = (query: MemoryQuery, signal: AbortSignal) => this.search(query, signal);
    this.recall = new AutomaticRecall({ search, store, clock, log, rule: config.memory.recall });
  }

  readerOf(session: MemorySession): MemoryReader {
    return readerOf(session, this.#parts.config.memory.scope);
  }

  /**
   * What is found and may be given to the reader, best first. Rejects with `unavailable` when the memory's thread does not answer,
   * `invalid_request`, and the signal's reason.
   */
  async search(query: MemoryQuery, signal: AbortSignal): Promise<MemoryHit[]> {
    const { store } = this.#parts;
    const { agent } = query.reader;
    const found = await this.#ask({ ...query, text: query.text.slice(0, QUERY_LENGTH_MAX) }, signal);
    return found.flatMap((hit) => {
      const entry = verified(store, hit.entry, agent);
      return entry !== undefined && mayBeGiven(entry, query) ? [{ ...hit, entry }] : [];
    });
  }

  /** To be called before the store is closed. */
  stop(): void {
    this.news.stop();
  }

  async #ask(query: MemoryQuery, signal: AbortSignal): Promise<readonly MemoryHit[]> {
    const { clock, newId, services } = this.#parts;
    signal.throwIfAborted();
    const call = newId();
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const timer = clock.setTimeout(() => {
      reject(new DhaavakError('unavailable', 'the memory did not answer in time: try again in a moment'));
    }, SEARCH_MS_MAX);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    let isOver = false;
    try {
      const asked = services.search(call, query.reader.agent, query);
      const found = await Promise.race([asked, ended]);
      isOver = true;
      return found;
    } finally {
      clock.clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      if (!isOver) services.cancel(call);
    }
  }
}
