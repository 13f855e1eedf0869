import type { Piscina } from 'piscina';
import { DhaavakError } from '../protocol/errors.ts';
import type { StoreCheck } from '../protocol/messages.ts';
import type { Backup } from '../storage/backup.ts';
import type { Outcome } from './maintenance-worker.ts';
import { sibling } from './sibling.ts';

/** The thread ends when it has been idle for so long. */
const IDLE_MS = 10_000;

/** Work on the store beside its shards, in a thread of its own, one thing at a time: a backup may take minutes. */
export class Maintenance {
  readonly #home: string;
  #pool: Promise<Piscina> | undefined;
  #busy = false;

  constructor(home: string) {
    this.#home = home;
  }

  /** See `storage/backup.ts`. Throws `conflict` while something else is being done. */
  backUp(folder: string): Promise<Backup> {
    return this.#alone((pool) => pool.run({ home: this.#home, folder }, { name: 'backup' }));
  }

  /** See `storage/check.ts`. Throws `conflict` while something else is being done. */
  checkStore(): Promise<StoreCheck> {
    return this.#alone((pool) => pool.run(this.#home, { name: 'check' }));
  }

  /** Ends the thread, whatever it does. */
  async stop(): Promise<void> {
    await (await this.#pool)?.destroy();
  }

  async #alone<T>(run: (pool: Piscina) => Promise<Outcome<T>>): Promise<T> {
    if (this.#busy) throw new DhaavakError('conflict', 'a backup or check of the store is going on: wait for its end');
    this.#busy = true;
    try {
      const outcome = await run(await this.#start());
      if ('error' in outcome) throw DhaavakError.fromWire(outcome.error);
      return outcome.value;
    } finally {
      this.#busy = false;
    }
  }

  /** piscina is loaded with the first task: most gateways never have one. */
  #start(): Promise<Piscina> {
    this.#pool ??= import('piscina').then(
      ({ Piscina }) =>
        new Piscina({
          filename: sibling('maintenance-worker', import.meta.url).href,
          minThreads: 0,
          maxThreads: 1,
          idleTimeout: IDLE_MS,
        }),
    );
    return this.#pool;
  }
}
