import type { Config } from '../../config/schema.ts';
import type { Result, Task } from './execution.ts';
import type { PoolLog, PoolSettings, SandboxPool } from './pool.ts';

type SandboxConfig = Config['tools']['sandboxHosts'];

/** The part of `shards` shards: the configuration's limits are the gateway's. At least one process each. */
export function createSandbox(config: SandboxConfig, shards: number, log: PoolLog): Sandbox {
  const { max, queueMax, programMemoryMb: memoryMb, hostMemoryMb: rssMaxMb, ...rest } = config;
  const part = (limit: number) => Math.max(1, Math.floor(limit / shards));
  const settings = { ...rest, hostsMax: part(max), queueMax: part(queueMax), memoryMb, rssMaxMb };
  return new Sandbox(settings, log);
}

/** The pool of a shard, loaded with the first program: most gateways never run one. */
export class Sandbox {
  readonly #settings: PoolSettings;
  readonly #log: PoolLog;
  #pool: Promise<SandboxPool> | undefined;
  #stopped = false;

  constructor(settings: PoolSettings, log: PoolLog) {
    this.#settings = settings;
    this.#log = log;
  }

  /** See {@link SandboxPool.run}. */
  async run(task: Task): Promise<Result> {
    this.#pool ??= import('./pool.ts').then(({ SandboxPool }) => new SandboxPool(this.#settings, this.#log));
    const pool = await this.#pool;
    if (this.#stopped) pool.stop();
    return pool.run(task);
  }

  /** Ends all hosts at once, and what runs in them. Never rejects: of a pool that could not be made, its programs were told. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const pool = await this.#pool?.catch(() => undefined);
    pool?.stop();
  }
}
