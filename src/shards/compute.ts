import type { Piscina } from 'piscina';
import { sibling } from './sibling.ts';

/** Threads of the compute pool. They start with the first task and end when idle. */
const THREADS_MAX = 1;
const IDLE_MS = 30_000;
/** Tasks that may wait; more are refused. */
const QUEUE_MAX = 1_000;

/** CPU work that would hold up a shard (over about 5 ms), in threads of its own. */
export class ComputePool {
  #pool: Promise<Piscina> | undefined;

  /** Tokens in each text. Rejects when too many tasks wait. */
  async countTokens(texts: string[]): Promise<number[]> {
    const pool = await this.#start();
    return pool.run(texts, { name: 'countTokens' });
  }

  async stop(): Promise<void> {
    await (await this.#pool)?.destroy();
  }

  /** piscina is loaded with the first task: most gateways never have one. */
  #start(): Promise<Piscina> {
    this.#pool ??= import('piscina').then(
      ({ Piscina }) =>
        new Piscina({
          filename: sibling('compute-worker', import.meta.url).href,
          minThreads: 0,
          maxThreads: THREADS_MAX,
          idleTimeout: IDLE_MS,
          maxQueue: QUEUE_MAX,
        }),
    );
    return this.#pool;
  }
}
