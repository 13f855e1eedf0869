import type { Piscina } from 'piscina';
import { sibling } from '../../shards/sibling.ts';
import type { NetworkSettings } from './network.ts';
import type { Page, PageJob } from './page.ts';
import type { PluginRequestJob, PluginResponse } from './plugin-request.ts';
import type { SearchJob, SearchProvider } from './search.ts';
import type { SearchResult } from './search-limits.ts';

/** Tasks at once: each waits for a server most of the time, and has a thread for itself, which can be ended. */
const THREADS_MAX = 4;
/** Tasks that may wait; more are refused. */
const QUEUE_MAX = 64;
/** A thread ends when it has been idle for so long, in milliseconds. */
const IDLE_MS = 30_000;
/** A task that takes longer, in milliseconds, is ended with its thread: 30 s for the answer, the rest to read it. */
const TASK_MS = 45_000;
/** Of one thread, in MB: the document of a page of 2 MB takes some 100. */
const HEAP_MB_MAX = 384;

export interface WebSettings extends NetworkSettings {
  search: SearchProvider | undefined;
}

/** The threads that fetch and read pages, and search. They start with the first task. One for the whole gateway. */
export class WebHost {
  readonly #settings: WebSettings;
  #pool: Promise<Piscina> | undefined;

  constructor(settings: WebSettings) {
    this.#settings = settings;
  }

  fetch(job: PageJob, signal: AbortSignal): Promise<Page> {
    return this.#run('fetchPage', job, signal) as Promise<Page>;
  }

  search(job: SearchJob, signal: AbortSignal): Promise<SearchResult[]> {
    return this.#run('search', job, signal) as Promise<SearchResult[]>;
  }

  request(job: PluginRequestJob, signal: AbortSignal): Promise<PluginResponse> {
    return this.#run('requestForPlugin', job, signal) as Promise<PluginResponse>;
  }

  async stop(): Promise<void> {
    await (await this.#pool)?.destroy();
  }

  async #run(name: string, job: object, signal: AbortSignal): Promise<unknown> {
    const pool = await this.#start();
    const limit = AbortSignal.timeout(TASK_MS);
    try {
      return await pool.run(job, { name, signal: AbortSignal.any([signal, limit]) });
    } catch (error) {
      if (signal.aborted) throw new Error('the call was cancelled');
      if (limit.aborted) throw new Error('the page takes too long to read; try another one');
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ERR_WORKER_OUT_OF_MEMORY') throw new Error('the page is too large to read; try another one');
      if (message === 'Task queue is at limit') throw new Error('too many pages are being fetched: try again later');
      throw error;
    }
  }

  /** piscina is loaded with the first task: most gateways never have one. */
  #start(): Promise<Piscina> {
    this.#pool ??= import('piscina').then(
      ({ Piscina }) =>
        new Piscina({
          filename: sibling('worker', import.meta.url).href,
          workerData: this.#settings,
          minThreads: 0,
          maxThreads: THREADS_MAX,
          idleTimeout: IDLE_MS,
          maxQueue: QUEUE_MAX,
          // No variable of the environment, such as one that names a proxy or holds a key, is there.
          env: {},
          resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
        }),
    );
    return this.#pool;
  }
}
