/** Searching the files of a workspace, in a thread of its own: an expression may take for ever. */
import type { Piscina } from 'piscina';
import { sibling } from '../../shards/sibling.ts';
import type { Boundary } from './folder.ts';
import { segmentsOf } from './path.ts';
import type { SearchOutcome, SearchRequest, SearchTask } from './search-task.ts';

/** The thread ends when it has been idle for so long. */
const IDLE_MS = 10_000;
/** At the same time in one shard: one that takes for ever must not hold up the next. */
const THREADS_MAX = 2;
/** Of a thread's heap, in megabytes: a file and its lines are in it, one at a time. */
const HEAP_MB_MAX = 128;
/** Searches that may wait; more are refused. */
const QUEUE_MAX = 16;
/** How long a search may take before its thread is ended; the thread itself stops a little earlier, with what it has. */
const TIMEOUT_MS = 10_000;
const STOP_EARLY_MS = 2_000;

/** The search threads of a shard. */
export class Searcher {
  #pool: Promise<Piscina> | undefined;

  /** The lines that match, as `path:line: text`. Throws an Error for the model. */
  async search(boundary: Boundary, request: SearchRequest, signal: AbortSignal): Promise<string> {
    const segments = segmentsOf(request.path, boundary.root);
    const task: SearchTask = { ...request, ...boundary, segments, timeoutMs: TIMEOUT_MS - STOP_EARLY_MS };
    const pool = await this.#start();
    if (pool.queueSize >= QUEUE_MAX) throw new Error('too many searches wait already: try again in some seconds');
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), TIMEOUT_MS);
    try {
      const outcome: SearchOutcome = await pool.run(task, { signal: AbortSignal.any([signal, late.signal]) });
      if ('problem' in outcome) throw new Error(outcome.problem);
      return outcome.text;
    } catch (error) {
      if (!late.signal.aborted) throw error;
      const advice = 'use a simpler expression, plain text, or a smaller folder';
      throw new Error(`the search was stopped after ${TIMEOUT_MS / 1_000} s: ${advice}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    await (await this.#pool)?.destroy();
  }

  /** piscina is loaded with the first search: most gateways never have one. */
  #start(): Promise<Piscina> {
    this.#pool ??= startPool();
    return this.#pool;
  }
}

async function startPool(): Promise<Piscina> {
  const { Piscina } = await import('piscina');
  const pool = new Piscina({
    filename: sibling('search-worker', import.meta.url).href,
    minThreads: 0,
    maxThreads: THREADS_MAX,
    idleTimeout: IDLE_MS,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
  });
  // A thread that ends in an error fails its search; without a listener it would end the shard, too.
  pool.on('error', () => undefined);
  return pool;
}
