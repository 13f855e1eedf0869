/**
 * The connection to Discord's gateway, with the library of discord.js below its `Client`: no caches of guilds, members
 * and messages, which grow with the servers a bot is in, and the sessions are ours to keep.
 *
 *   connecting ── READY ──> ready ── closed ──> degraded ── resumed, READY ──> ready
 *        └──────────────── closed for good ─────────┴──> logged-out
 *
 * The library beats the heart, resumes, and connects anew. What it lacks is added where it asks for a session before each
 * try: a pause that grows while tries fail, a session that outlives a network that is down, and an end.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type SessionInfo, WebSocketManager, WebSocketShardEvents } from '@discordjs/ws';
import {
  type APIGatewayBotInfo,
  GatewayCloseCodes,
  type GatewayDispatchPayload,
  GatewayIntentBits,
  type GatewayReadyDispatchData,
  Routes,
} from 'discord-api-types/v10';
import type { Logger } from 'pino';
import { ChannelError, type ChannelState } from '../adapter.ts';
import type { Api } from './api.ts';
import { fatalClose } from './failure.ts';

/** What is asked for: servers with their channels, messages there and in DMs, and (privileged) what they say. */
const INTENTS =
  GatewayIntentBits.Guilds |
  GatewayIntentBits.GuildMessages |
  GatewayIntentBits.DirectMessages |
  GatewayIntentBits.MessageContent;

const HANDSHAKE_MS = 5_000;
const HELLO_MS = 10_000;
/** How long `open` waits to be ready. It goes on afterwards. */
const OPEN_MS = 15_000;
const PAUSE_MAX_MS = 30_000;
/** How long `close` waits for Discord to close, too. */
const CLOSE_MS = 3_000;
/** Tries at the address to resume at, before it is the one everybody has. */
const RESUME_TRIES_MAX = 2;

/** What the connection is for. */
export interface Listener {
  /** See `AdapterEvents`. */
  state(state: ChannelState, reason?: string): void;
  /** Something came from Discord. */
  alive(): void;
  /** A session began that knows nothing of what was before. */
  ready(data: GatewayReadyDispatchData): void;
  dispatch(payload: GatewayDispatchPayload): void;
}

/** One of the library's connections: Discord asks for one per some 2,500 servers. */
interface Shard {
  session: SessionInfo | null;
  /** Since `hello` came, until it closes. */
  greeted: boolean;
  /** Since it may have opened a socket, until that is known. */
  dialing: boolean;
  up: boolean;
  /** Closes in a row without a session between them. */
  failures: number;
  /** Whether the last try did not even come to `hello`. */
  unreached: boolean;
}

export class Connection {
  readonly #api: Api;
  readonly #listener: Listener;
  readonly #log: Logger;
  readonly #manager: WebSocketManager;
  readonly #shards = new Map<number, Shard>();
  readonly #stopping = new AbortController();
  readonly #begun = Promise.withResolvers<void>();
  #opening = false;
  #gatewayUrl = '';
  #shardCount = 1;
  #closed: Promise<void> | undefined;

  constructor(api: Api, listener: Listener, log: Logger) {
    this.#api = api;
    this.#listener = listener;
    this.#log = log;
    // It may reject before anybody waits.
    this.#begun.promise.catch(() => undefined);
    this.#manager = new WebSocketManager({
      token: api.token,
      intents: INTENTS,
      rest: api.rest,
      version: '10',
      handshakeTimeout: HANDSHAKE_MS,
      helloTimeout: HELLO_MS,
      retrieveSessionInfo: (id) => this.#session(id),
      updateSessionInfo: (id, session) => this.#keepSession(id, session),
    });
    this.#listen();
  }

  /**
   * Connects. Resolves when it is ready, or goes on trying by itself. Throws a ChannelError: `unauthorized` and `rejected`
   * when it is of no use to go on, others when Discord's API cannot be asked now.
   */
  async open(): Promise<void> {
    this.#listener.state('connecting', 'connecting to Discord');
    const gateway = await this.#api.request<APIGatewayBotInfo>('GET', Routes.gatewayBot());
    const { remaining, reset_after: retryAfterMs } = gateway.session_start_limit;
    if (remaining < gateway.shards) {
      throw new ChannelError('rate_limited', 'Discord lets this bot begin no more sessions today', { retryAfterMs });
    }
    if (!/^wss?:\/\/./.test(gateway.url)) throw new ChannelError('rejected', 'no Discord API: it names no gateway');
    this.#gatewayUrl = gateway.url;
    this.#shardCount = gateway.shards;
    // Its promise rejects with the first error of a socket, though it tries again: `closed` tells what it means.
    this.#manager.connect().catch((error: Error) => this.#log.debug({ reason: error.message }, 'discord gateway'));
    await this.#ready();
  }

  async #ready(): Promise<void> {
    const waited = new AbortController();
    const late = delay(OPEN_MS, true, { signal: waited.signal }).catch(() => false);
    this.#opening = true;
    try {
      if (!(await Promise.race([this.#begun.promise, late]))) return;
      this.#listener.state('degraded', "Discord's gateway does not answer; it is tried again");
    } finally {
      this.#opening = false;
      waited.abort();
    }
  }

  /** Ends the connection, with the bot shown as offline at once. Nothing is told afterwards. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#stopping.abort();
    this.#begun.resolve();
    // A socket that the library leaves while it opens would throw its error at nobody: into the process.
    for (const shard of this.#shards.values()) await this.#settled(shard);
    const waited = new AbortController();
    const late = delay(CLOSE_MS, undefined, { signal: waited.signal }).catch(() => undefined);
    await Promise.race([this.#manager.destroy(), late]);
    waited.abort();
  }

  async #settled(shard: Shard): Promise<void> {
    const end = performance.now() + HANDSHAKE_MS + 500;
    while (shard.dialing && performance.now() < end) await delay(10);
  }

  #listen(): void {
    this.#manager.on(WebSocketShardEvents.Hello, ({ shardId }) => {
      Object.assign(this.#shard(shardId), { greeted: true, dialing: false, unreached: false });
      this.#listener.alive();
    });
    this.#manager.on(WebSocketShardEvents.HeartbeatComplete, () => this.#listener.alive());
    this.#manager.on(WebSocketShardEvents.Closed, ({ code, shardId }) => this.#down(shardId, code));
    this.#manager.on(WebSocketShardEvents.Error, ({ error }) =>
      this.#log.debug({ reason: error.message }, 'discord gateway'),
    );
    this.#manager.on(WebSocketShardEvents.Resumed, ({ shardId }) => this.#up(shardId));
    this.#manager.on(WebSocketShardEvents.Ready, ({ data, shardId }) => {
      if (this.#stopping.signal.aborted) return;
      this.#safely(() => this.#listener.ready(data));
      this.#up(shardId);
    });
    this.#manager.on(WebSocketShardEvents.Dispatch, ({ data }) => {
      if (this.#stopping.signal.aborted) return;
      this.#listener.alive();
      this.#safely(() => this.#listener.dispatch(data));
    });
  }

  /** An exception here would be nobody's, and so the end of the process. */
  #safely(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#log.error({ error }, 'something from Discord could not be read; it is passed over');
    }
  }

  #up(id: number): void {
    if (this.#stopping.signal.aborted) return;
    Object.assign(this.#shard(id), { up: true, failures: 0 });
    const shards = [...this.#shards.values()];
    if (shards.length < this.#shardCount || shards.some(({ up }) => !up)) return;
    this.#listener.state('ready');
    this.#begun.resolve();
  }

  #down(id: number, code: number): void {
    const shard = this.#shard(id);
    const { up: wasUp, greeted, failures } = shard;
    Object.assign(shard, { greeted: false, dialing: false, up: false, failures: failures + 1, unreached: !greeted });
    if (this.#stopping.signal.aborted) return;
    this.#log.debug({ code, failures }, 'the connection to Discord closed');
    const fatal = fatalClose(code);
    if (fatal) {
      if (!this.#opening) this.#listener.state('logged-out', fatal.message);
      this.#begun.reject(fatal);
      void this.close();
    } else if (wasUp) {
      this.#listener.state('degraded', `the connection to Discord broke (${nameOf(code)}); it is made again`);
    }
  }

  /**
   * The library asks before each try to connect, where an answer may take its time, and with each event and heartbeat.
   * After `close` it gets none: it cannot be told to stop while it waits for its next try.
   */
  async #session(id: number): Promise<SessionInfo | null> {
    const shard = this.#shard(id);
    if (shard.greeted) return shard.session;
    if (shard.failures > 1) {
      const pause = Math.min(PAUSE_MAX_MS, 250 * 2 ** shard.failures) * (0.5 + Math.random() / 2);
      await delay(pause, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
    if (this.#stopping.signal.aborted) return new Promise(() => undefined);
    shard.dialing = true;
    if (shard.session === null || shard.failures <= RESUME_TRIES_MAX) return shard.session;
    return { ...shard.session, resumeURL: this.#gatewayUrl };
  }

  /** The library forgets a session also when it could not connect, as the address may be the reason. The session is not. */
  #keepSession(id: number, session: SessionInfo | null): void {
    const shard = this.#shard(id);
    if (session !== null || !shard.unreached) shard.session = session;
  }

  #shard(id: number): Shard {
    let shard = this.#shards.get(id);
    if (!shard) {
      shard = { session: null, greeted: false, dialing: false, up: false, failures: 0, unreached: false };
      this.#shards.set(id, shard);
    }
    return shard;
  }
}

function nameOf(code: number): string {
  return GatewayCloseCodes[code] === undefined
    ? `close code ${code}`
    : `close code ${code}, ${GatewayCloseCodes[code]}`;
}
