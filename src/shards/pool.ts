import type { Logger } from 'pino';
import type { Config } from '../config/schema.ts';
import type { PluginOffer } from '../plugins/offer.ts';
import { DhaavakError } from '../protocol/errors.ts';
import type { GatewayStatus } from '../protocol/messages.ts';
import type { McpOffer } from '../tools/mcp/messages.ts';
import type { ToolServices } from '../tools/services.ts';
import type { MainServices } from './control.ts';
import { RECORD } from './link.ts';
import { shardOf } from './placement.ts';
import type { Receiver, Subscribers } from './receiver.ts';
import { Shard, type ShardOptions } from './shard.ts';
import { sibling } from './sibling.ts';

/** Restarts of one shard within the window before it is given up; Erlang's restart intensity. */
const RESTARTS_MAX = 5;
const RESTART_WINDOW_MS = 60_000;
/** Wait before a restart: doubles with each within the window. */
const BACKOFF_MIN_MS = 50;
/** How often heartbeats are looked at. */
const WATCH_MS = 250;
/** What a drain may take beyond its limit: runs that are aborted write down where they were, and the store is closed. */
const DRAIN_SLACK_MS = 5_000;
/** How long `status` waits for one shard. */
const STATS_TIMEOUT_MS = 1_000;

type SlotState = 'starting' | 'ready' | 'restarting' | 'failed' | 'stopped';

/** A place in the pool: a shard and, after it died, its successor. */
interface Slot {
  shard: Shard;
  state: SlotState;
  /** When each restart of the window happened. */
  restarts: number[];
  restartsTotal: number;
}

export interface ShardPoolOptions {
  config: Config;
  count: number;
  subscribers: Subscribers;
  countTokens: MainServices['countTokens'];
  onOutbox?: ShardOptions['onOutbox'];
  tellPairing: MainServices['tellPairing'];
  tools: ToolServices;
  memory?: ShardOptions['memory'];
  mcp?: ShardOptions['mcp'];
  plugins?: ShardOptions['plugins'];
  /** Its shards begin with their runs paused; default false. */
  paused?: boolean;
  log: Logger;
  entry?: URL;
}

/** The worker threads. Places sessions, replaces a shard that died or stopped answering. */
export class ShardPool {
  readonly #options: ShardPoolOptions;
  readonly #slots: Slot[];
  readonly #storeReady = new SharedArrayBuffer(4);
  #paused: boolean;
  #watch: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: ShardPoolOptions) {
    this.#options = options;
    this.#paused = options.paused ?? false;
    this.#slots = Array.from({ length: options.count }, (_, index) => ({
      shard: this.#spawn(index),
      state: 'starting',
      restarts: [],
      restartsTotal: 0,
    }));
  }

  /**
   * Lets the shards open the store, which nobody may do before it is prepared, and resolves when every one of them takes
   * requests. Rejects with what ended one before that.
   */
  async start(): Promise<void> {
    const ready = new Int32Array(this.#storeReady);
    Atomics.store(ready, 0, 1);
    Atomics.notify(ready, 0);
    await Promise.all(
      this.#slots.map(async (slot) => {
        await slot.shard.ready.catch((error: Error) => {
          throw new DhaavakError('unavailable', `a worker could not start: ${error.message}`, { cause: error });
        });
        this.#becameReady(slot);
      }),
    );
    this.#watch = setInterval(() => this.#replaceStuck(), WATCH_MS);
  }

  /** Why the pool cannot serve every session now; undefined when it can. */
  get trouble(): string | undefined {
    const index = this.#slots.findIndex(({ state }) => state !== 'ready');
    if (index >= 0) return `shard ${index} is ${this.#slots[index]?.state}`;
    return this.#slots.find(({ shard }) => shard.storeTrouble !== undefined)?.shard.storeTrouble;
  }

  /** Lets runs go on, in shards that come to replace others too. Says whether they were paused. */
  async resumeRuns(): Promise<boolean> {
    const paused = this.#paused;
    this.#paused = false;
    if (paused) {
      await Promise.all(
        this.#slots.map(
          ({ shard, state }) => state === 'ready' && within(STATS_TIMEOUT_MS, shard.control.resumeRuns()),
        ),
      );
    }
    return paused;
  }

  /** Tells every shard that an MCP server has other tools than before. */
  offerMcp(offer: McpOffer): void {
    for (const { shard, state } of this.#slots) if (state === 'ready') void shard.control.takeMcpOffer(offer);
  }

  /** Tells every shard that a plugin is another than before, or gone. */
  offerPlugin(offer: PluginOffer): void {
    for (const { shard, state } of this.#slots) if (state === 'ready') void shard.control.takePluginOffer(offer);
  }

  get size(): number {
    return this.#slots.length;
  }

  /**
   * Passes a request on to shard `index`, with the session's key where that does not stand in the frame itself. `kind` is
   * that of its record on the link: a client's request is the one kind that clients have. Throws `unavailable` or `busy`
   * when the shard cannot take it.
   */
  request(
    index: number,
    session: string,
    frame: Uint8Array,
    id: string,
    receiver: Receiver,
    kind: number = RECORD.request,
  ): void {
    const slot = this.#slots[index] as Slot;
    if (slot.state !== 'ready') {
      throw new DhaavakError('unavailable', `the worker of this session is ${slot.state}`, { retryAfterMs: 500 });
    }
    if (!slot.shard.request(session, frame, id, receiver, kind)) {
      throw new DhaavakError('busy', 'the worker of this session is too far behind', { retryAfterMs: 200 });
    }
  }

  /** What each shard does now; one that does not answer in time is shown as `silent`. */
  stats(): Promise<GatewayStatus['shards']> {
    return Promise.all(
      this.#slots.map(async ({ shard, state, restartsTotal }, index) => {
        const loopLagMs = { p99: 0, max: 0 };
        const none = { sessions: 0, running: 0, queued: 0, deadLetters: 0, damaged: 0, loopLagMs };
        const stats = state === 'ready' ? await within(STATS_TIMEOUT_MS, shard.control.stats()) : none;
        return { index, state: stats === undefined ? 'silent' : state, ...(stats ?? none), restarts: restartsTotal };
      }),
    );
  }

  /** Lets runs end for up to `timeoutMs`, then ends the threads. What was accepted and did not run stays journalled. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#watch);
    await Promise.all(
      this.#slots.map(async (slot) => {
        if (slot.state === 'ready') await within(timeoutMs + DRAIN_SLACK_MS, slot.shard.control.drain(timeoutMs));
        slot.state = 'stopped';
        await slot.shard.terminate();
        this.#failPending(slot.shard, 'the gateway stops');
      }),
    );
  }

  /** While {@link stop} waits: lets runs end no longer. */
  hurry(): void {
    for (const { shard, state } of this.#slots) if (state === 'ready') void shard.control.drain(0);
  }

  #spawn(index: number): Shard {
    const { config, count, subscribers, countTokens, onOutbox, tellPairing, tools, memory, mcp, plugins, entry } =
      this.#options;
    return new Shard({
      index,
      shards: count,
      config,
      subscribers,
      countTokens,
      onOutbox,
      tellPairing,
      onPeerRequest: (session, frame, id, receiver) =>
        this.request(shardOf(session, count), session, frame, id, receiver, RECORD.peerRequest),
      tools,
      memory,
      mcp,
      plugins,
      storeReady: this.#storeReady,
      paused: this.#paused,
      entry: entry ?? sibling('worker', import.meta.url),
    });
  }

  #replaceStuck(): void {
    const looksMax = Math.ceil(this.#options.config.shards.stuckAfterMs / WATCH_MS);
    for (const { shard, state } of this.#slots) {
      // One that starts has no heartbeat yet: what it was silent then must not count against it.
      const looks = state === 'ready' ? shard.silentLooks() : 0;
      if (looks < looksMax) continue;
      this.#options.log.error({ shard: shard.index, silentMs: looks * WATCH_MS }, 'shard stopped answering');
      void shard.terminate(); // its end is supervised
    }
  }

  #becameReady(slot: Slot): void {
    slot.state = 'ready';
    this.#superviseEnd(slot);
    // One that was started before runs were resumed began with a pause.
    if (this.#options.paused && !this.#paused) void slot.shard.control.resumeRuns();
    // What has changed since it was started.
    for (const offer of this.#options.mcp?.offers ?? []) void slot.shard.control.takeMcpOffer(offer);
    for (const offer of this.#options.plugins?.()?.offersNow ?? []) void slot.shard.control.takePluginOffer(offer);
  }

  #superviseEnd(slot: Slot): void {
    void slot.shard.ended.then((error) => {
      if (this.#stopping) return;
      this.#options.log.error({ shard: slot.shard.index, error: error?.message }, 'shard ended');
      slot.state = 'restarting'; // first: what waits for an answer to others is not to be passed to it
      this.#failPending(slot.shard, 'the worker of this session was replaced');
      void this.#restart(slot);
    });
  }

  async #restart(slot: Slot): Promise<void> {
    const { log } = this.#options;
    const index = slot.shard.index;
    for (;;) {
      const now = performance.now();
      slot.restarts = slot.restarts.filter((at) => now - at < RESTART_WINDOW_MS);
      if (slot.restarts.length >= RESTARTS_MAX) {
        slot.state = 'failed';
        log.fatal({ shard: index }, `shard restarted ${RESTARTS_MAX} times within a minute: given up`);
        return;
      }
      slot.state = 'restarting';
      await new Promise((resolve) => setTimeout(resolve, BACKOFF_MIN_MS * 2 ** slot.restarts.length));
      if (this.#stopping) return;
      slot.restarts.push(now);
      slot.restartsTotal++;
      slot.shard = this.#spawn(index);
      try {
        await slot.shard.ready;
        this.#becameReady(slot);
        log.warn({ shard: index, restarts: slot.restartsTotal }, 'shard replaced');
        return;
      } catch (error) {
        log.error({ shard: index, error }, 'shard did not start');
      }
    }
  }

  /** Tells whoever waits for an answer of a shard that is gone; whether it acted on the request is not known. */
  #failPending(shard: Shard, why: string): void {
    for (const { receiver, id } of shard.takePending()) {
      receiver.answered();
      receiver.fail(id, new DhaavakError('unavailable', `${why}; the outcome is unknown`, { retryAfterMs: 500 }));
    }
  }
}

/** The promise's value, or undefined when it rejects or takes longer than `timeoutMs`. */
async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, undefined);
  });
  try {
    return await Promise.race([promise.catch(() => undefined), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
