/**
 * The front end's side of the memory: its thread (`worker.ts`), which is started with the first need and ends when it has been idle.
 * What shards tell is gathered while it does not run; what is lost of that is found by the thread itself, which compares.
 */

import type { Logger } from 'pino';
import type { Piscina } from 'piscina';
import type { Config } from '../config/schema.ts';
import { DhaavakError } from '../protocol/errors.ts';
import { sibling } from '../shards/sibling.ts';
import type { MemoryHit, MemoryQuery, MemoryStatus } from './backend.ts';
import { type Outcome, unwrap } from './remote.ts';
import type { MemoryServices } from './services.ts';
import type { MemoryWorkerData } from './worker.ts';

/** Searches that are under way or wait; more are refused. One takes milliseconds, so that these wait for a second or so. */
const SEARCHES_MAX = 128;
/** Other calls beside them: few, and each short. */
const CALLS_MAX = 64;
/** News is passed on at most so often, in milliseconds: shards gather it before. */
const NEWS_MS = 200;
/** News alone starts the thread so late, in milliseconds: the first messages of a conversation are answered without it. */
const NEWS_START_MS = 2_000;
/** Sessions that news may name; past them the thread is told to compare all. */
const NEWS_MAX = 10_000;
/** How long the thread may take to write down what it holds when the gateway stops. What it does not, it learns again. */
const STOP_MS = 3_000;
/** `status` waits no longer, in milliseconds: for a thread that is loading a large graph. */
const STATUS_MS = 1_000;
/** Of the thread, in MB. Its vectors are outside of V8's heap. */
const HEAP_MB_MAX = 1_024;
/** Waits before the thread is started again after a crash, in milliseconds: doubling, until one lived for a while. */
const BACKOFF_MIN_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;
const STEADY_MS = 60_000;
/** How long the thread stays without work: its vectors take memory, and to load them again less than a second per 100,000. */
const IDLE_MS = 5 * 60_000;

export interface MemoryHostOptions {
  config: Config;
  log: Logger;
  /** How long the thread stays without work, in milliseconds; default {@link IDLE_MS}. */
  idleMs?: number;
  /** The module the thread runs; tests run their own. */
  entry?: URL;
}

interface Thread {
  pool: Piscina;
  /** It is being ended: that its life does so is no crash. */
  ends: boolean;
  /** On the clock of `performance.now`. */
  startedAt: number;
}

export class MemoryHost implements MemoryServices {
  #options: MemoryHostOptions;
  #thread: Promise<Thread> | undefined;
  #searches = 0;
  readonly #cancelled: string[] = [];
  #calls = 0;
  readonly #sessions = new Set<string>();
  readonly #agents = new Set<string>();
  /** So much was told that single sessions are not worth naming. */
  #all = false;
  #newsTimer: NodeJS.Timeout | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #resting: Promise<void> | undefined;
  #crashes = 0;
  /** When the thread may be started again after a crash, on the clock of `performance.now`. */
  #notBefore = 0;
  #stopped = false;

  constructor(options: MemoryHostOptions) {
    this.#options = options;
  }

  async search(call: string, agent: string, query: MemoryQuery): Promise<readonly MemoryHit[]> {
    if (this.#searches >= SEARCHES_MAX) {
      throw new DhaavakError('unavailable', `${SEARCHES_MAX} searches of the memory wait`, { retryAfterMs: 500 });
    }
    this.#searches += 1;
    try {
      return await this.#run<readonly MemoryHit[]>('search', { call, agent, query });
    } finally {
      this.#searches -= 1;
    }
  }

  /** Those of one turn of the event loop are told together: where one run is cancelled others often are. */
  cancel(call: string): void {
    if (this.#searches === 0) return;
    this.#cancelled.push(call);
    if (this.#cancelled.length > 1) return;
    setImmediate(() => {
      const calls = this.#cancelled.splice(0);
      this.#run('cancel', calls).catch(() => {}); // a thread that is not there has nothing to cancel
    });
  }

  changed({ sessions, agents }: { sessions: readonly string[]; agents: readonly string[] }): void {
    if (this.#stopped) return;
    for (const agent of agents) this.#agents.add(agent);
    if (this.#sessions.size + sessions.length <= NEWS_MAX) for (const session of sessions) this.#sessions.add(session);
    else this.#all = true;
    this.#scheduleNews(this.#thread === undefined ? NEWS_START_MS : NEWS_MS);
  }

  /** How the memory of each agent is; of none while the thread does not run, and where it does not answer within a second. */
  async status(): Promise<readonly MemoryStatus[]> {
    if (this.#thread === undefined) return [];
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<readonly MemoryStatus[]>((resolve) => {
      timer = setTimeout(resolve, STATUS_MS, []);
    });
    try {
      return await Promise.race([this.inspect().catch(() => []), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** How the memory of each agent is, also where the thread has to start for it. Rejects with `unavailable`. */
  inspect(): Promise<readonly MemoryStatus[]> {
    return this.#run('status', undefined);
  }

  /**
   * Throws away what was made of the transcripts of an agent, or of all, and makes it anew, at full speed. Resolves when that has
   * begun, with the agents; `status` tells how far it is. Rejects with `not_found`, `unavailable`.
   */
  rebuild(agent?: string): Promise<readonly string[]> {
    return this.#run<readonly string[]>('rebuild', agent);
  }

  /** The plugins are others, of which one is the backend: the thread begins anew with them, when it is needed next. */
  async renew(plugins: Config['plugins']): Promise<void> {
    this.#options = { ...this.#options, config: { ...this.#options.config, plugins } };
    this.#resting ??= this.#close().finally(() => {
      this.#resting = undefined;
    });
    await this.#resting;
  }

  /** Lets the thread write down what it holds, and ends it. Takes a few seconds at most. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#newsTimer);
    clearTimeout(this.#idleTimer);
    await this.#close();
  }

  async #close(): Promise<void> {
    const thread = await this.#thread?.catch(() => undefined);
    if (thread === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, STOP_MS);
    });
    await Promise.race([thread.pool.run(undefined, { name: 'end' }).catch(() => {}), late]);
    clearTimeout(timer);
    await this.#end(thread);
  }

  #scheduleNews(waitMs: number): void {
    this.#newsTimer ??= setTimeout(() => {
      this.#newsTimer = undefined;
      const news = { sessions: [...this.#sessions], agents: [...this.#agents], all: this.#all };
      this.#sessions.clear();
      this.#agents.clear();
      this.#all = false;
      // What does not reach it is found by the next thread, which compares everything.
      this.#run('changed', news).catch(() => {});
    }, waitMs).unref();
  }

  async #run<T>(name: string, task: unknown): Promise<T> {
    if (this.#calls >= SEARCHES_MAX + CALLS_MAX) {
      throw new DhaavakError('unavailable', 'too many calls of the memory wait', { retryAfterMs: 500 });
    }
    this.#calls += 1;
    clearTimeout(this.#idleTimer);
    let outcome: Outcome<T>;
    try {
      await this.#resting;
      const { pool } = await this.#start();
      outcome = await pool.run(task, { name });
    } catch (error) {
      if (error instanceof DhaavakError) throw error;
      const options = { retryAfterMs: BACKOFF_MIN_MS, cause: error };
      throw new DhaavakError('unavailable', 'the memory does not run at the moment', options);
    } finally {
      this.#calls -= 1;
      if (this.#calls === 0) this.#scheduleRest();
    }
    return unwrap(outcome);
  }

  #scheduleRest(): void {
    clearTimeout(this.#idleTimer);
    if (this.#stopped) return;
    this.#idleTimer = setTimeout(() => {
      this.#resting ??= this.#rest().finally(() => {
        this.#resting = undefined;
      });
    }, this.#options.idleMs ?? IDLE_MS).unref();
  }

  /** Ends the thread, unless it is at work or somebody has called. Calls that come meanwhile wait. Never rejects. */
  async #rest(): Promise<void> {
    const thread = await this.#thread?.catch(() => undefined);
    if (thread === undefined || this.#calls > 0) return;
    const isIdle: boolean = await thread.pool.run(undefined, { name: 'rest' }).catch(() => false);
    if (isIdle) await this.#end(thread);
    else if (this.#calls === 0) this.#scheduleRest();
  }

  /** The thread, started if there is none. Throws `unavailable` for a while after it has crashed, and when the gateway stops. */
  #start(): Promise<Thread> {
    if (this.#thread !== undefined) return this.#thread;
    if (this.#stopped) throw new DhaavakError('unavailable', 'the gateway stops');
    const waitMs = Math.ceil(this.#notBefore - performance.now());
    if (waitMs > 0) {
      throw new DhaavakError('unavailable', 'the memory has failed and is started again', { retryAfterMs: waitMs });
    }
    const thread = this.#spawn();
    this.#thread = thread;
    thread.catch(() => {
      this.#thread = undefined; // piscina could not be loaded
    });
    return thread;
  }

  async #spawn(): Promise<Thread> {
    const { Piscina } = await import('piscina'); // with the first need
    const { config, entry = sibling('worker', import.meta.url) } = this.#options;
    const workerData: MemoryWorkerData = { config };
    const pool = new Piscina({
      filename: entry.href,
      workerData,
      minThreads: 0,
      maxThreads: 1,
      concurrentTasksPerWorker: 1 + SEARCHES_MAX + CALLS_MAX,
      // Between tasks a worker with atomics sleeps, and with it all that it does in the background.
      atomics: 'disabled',
      idleTimeout: Number.POSITIVE_INFINITY, // it is never idle: `live` is the task that ends with it
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    pool.on('error', (error: Error) => this.#options.log.error({ error }, 'the thread of the memory failed'));
    const thread: Thread = { pool, ends: false, startedAt: performance.now() };
    pool.run(undefined, { name: 'live' }).catch((error: unknown) => this.#crashed(thread, error));
    return thread;
  }

  async #end(thread: Thread): Promise<void> {
    thread.ends = true;
    this.#thread = undefined;
    await thread.pool.destroy();
  }

  #crashed(thread: Thread, error: unknown): void {
    if (thread.ends) return;
    if (performance.now() - thread.startedAt > STEADY_MS) this.#crashes = 0;
    const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#crashes);
    this.#crashes += 1;
    this.#notBefore = performance.now() + waitMs;
    this.#options.log.error({ error, waitMs }, 'the thread of the memory ended: it is started again');
    void this.#end(thread);
    // What it was told may be lost with it: whatever comes next has it compare everything.
    clearTimeout(this.#newsTimer);
    this.#newsTimer = undefined;
    if (!this.#stopped) this.#scheduleNews(waitMs + 1);
  }
}
