/**
 * Socket Mode: one WebSocket to Slack, by Slack's own library below Bolt. The library opens it, beats the heart and speaks
 * the protocol. When it ends, a new one is opened here: the library's own way to do that leaves a promise behind that
 * rejects into nothing when Slack cannot be asked, tells no reason, and waits 5 s more with each try.
 *
 *   connecting ── hello ──> ready ── closed ──> degraded ── hello ──> ready
 *        │                    └── asked by Slack to connect anew ──> (still ready)
 *        └───── token refused, Socket Mode switched off ─────> logged-out
 *
 * Envelopes are acknowledged when the account has them. Slack delivers others again, over any connection of the app.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ChannelError, type ChannelState } from '../adapter.ts';
import type { SlackApi } from './api.ts';
import { appTokenError, linkDisabled } from './failure.ts';
import type { Delivery, Taken } from './intake.ts';
import { SocketModeClient } from './socket-mode.ts';

/** How long it may take from the first request to `hello`. */
const OPEN_MS = 20_000;
/** A connection without an answer to its pings for so long is dead. */
const SILENCE_MS = 10_000;
const PAUSE_MIN_MS = 250;
const PAUSE_MAX_MS = 30_000;
/** A connection that ended sooner is one more failure in a row. */
const STEADY_MS = 10_000;
/** How long `close` waits for Slack to close, too. */
const CLOSE_MS = 1_000;

/** What the connection is for. */
export interface Listener {
  /** See `AdapterEvents`. */
  state(state: ChannelState, reason?: string): void;
  /** Something came from Slack. */
  alive(): void;
  /** See `Intake.take`. */
  take(delivery: Delivery): Promise<Taken>;
}

/** What the library hands on of an envelope. */
interface Envelope {
  readonly type: string;
  readonly body: unknown;
  readonly accepts_response_payload?: boolean;
  ack(answer?: object): Promise<void>;
}

/** A connection that is open. */
interface Link {
  readonly client: Client;
  readonly since: number;
  /** Resolves when it is closed. */
  readonly closed: Promise<void>;
}

export class Connection {
  readonly #appToken: string;
  readonly #api: SlackApi;
  readonly #listener: Listener;
  readonly #log: Logger;
  readonly #stopping = new AbortController();
  #client: Client | undefined;
  #kept: Promise<void> | undefined;

  constructor(appToken: string, api: SlackApi, listener: Listener, log: Logger) {
    this.#appToken = appToken;
    this.#api = api;
    this.#listener = listener;
    this.#log = log;
  }

  /** Resolves when it is ready. Throws a ChannelError. */
  async open(): Promise<void> {
    const link = await this.#dial();
    this.#listener.state('ready');
    this.#kept = this.#keep(link);
  }

  /** Nothing is taken afterwards. Never rejects. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#hangUp(this.#client);
    await this.#kept;
  }

  /** Opens a new connection whenever one is closed, until it is of no use. */
  async #keep(first: Link): Promise<void> {
    let failures = 0;
    for (let link: Link | undefined = first; link !== undefined; ) {
      await link.closed;
      if (this.#stopping.signal.aborted) return;
      const { reason } = link.client;
      failures = performance.now() - link.since > STEADY_MS ? 0 : failures + 1;
      if (reason === 'link_disabled') return this.#listener.state('logged-out', linkDisabled().message);
      // Slack asks for a new connection every few hours: nobody has to be told, if it can be had.
      if (!isRoutine(reason)) this.#listener.state('degraded', whyClosed(reason));
      link = await this.#again(isRoutine(reason) ? failures - 1 : failures);
    }
  }

  /** A new connection, after as many tries as it takes; undefined when it is of no use to go on. */
  async #again(failures: number): Promise<Link | undefined> {
    const { signal } = this.#stopping;
    let pause = failures > 0 ? pauseOf(failures) : 0;
    for (let tries = Math.max(0, failures); ; tries += 1) {
      await delay(pause, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return undefined;
      try {
        const link = await this.#dial();
        this.#listener.state('ready');
        return link;
      } catch (error) {
        if (signal.aborted) return undefined;
        const { kind, message, retryAfterMs = 0 } = error as ChannelError;
        if (kind === 'unauthorized' || kind === 'rejected') {
          this.#listener.state('logged-out', message);
          return undefined;
        }
        this.#listener.state('degraded', `${message}; it is tried again`);
        pause = Math.max(retryAfterMs, pauseOf(tries + 1));
      }
    }
  }

  /** Opens one connection. Throws a ChannelError. */
  async #dial(): Promise<Link> {
    const client = new Client(this.#appToken, this.#api, () => this.#alive(), this.#log);
    this.#client = client;
    client.on('slack_event', (envelope: Envelope) => void this.#take(envelope));
    const closed = new Promise<void>((resolve) => client.once('disconnected', () => resolve()));
    const limit = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(OPEN_MS)]);
    const given = new Promise<never>((_, reject) =>
      limit.addEventListener('abort', () => reject(new ChannelError('temporary', 'Slack does not say hello')), {
        once: true,
      }),
    );
    try {
      await Promise.race([this.#api.within(limit, () => client.start()), given]);
      return { client, since: performance.now(), closed };
    } catch (thrown) {
      await this.#hangUp(client);
      if (client.reason === 'link_disabled') throw linkDisabled();
      if (thrown === undefined) throw new ChannelError('temporary', whyClosed(client.reason));
      throw appTokenError(this.#api.errorOf(thrown, 'a connection'));
    }
  }

  #alive(): void {
    if (!this.#stopping.signal.aborted) this.#listener.alive();
  }

  async #take({ type, body, accepts_response_payload: answers, ack }: Envelope): Promise<void> {
    try {
      const { kept, answer } = isDelivery(type)
        ? await this.#listener.take({ kind: type, body })
        : ({ kept: true } as Taken);
      if (kept) await ack(answers ? answer : undefined);
    } catch (error) {
      // The connection is gone meanwhile: Slack delivers it again.
      const { message: reason } = error as Error;
      this.#log.debug({ reason }, 'an envelope of Slack could not be acknowledged');
    }
  }

  async #hangUp(client: Client | undefined): Promise<void> {
    if (client === undefined) return;
    const waited = new AbortController();
    const late = delay(CLOSE_MS, 'late', { signal: waited.signal }).catch(() => undefined);
    const end = await Promise.race([client.disconnect(), late]);
    waited.abort();
    // The second time it waits for nobody.
    if (end === 'late') client.websocket?.disconnect();
  }
}

/** The library's client for one connection, which keeps why Slack ended it. */
class Client extends SocketModeClient {
  /** Of the `disconnect` message; undefined: there was none. */
  reason: string | undefined;
  readonly #alive: () => void;
  readonly #log: Logger;

  constructor(appToken: string, api: SlackApi, alive: () => void, log: Logger) {
    const { logger, ...clientOptions } = api.options;
    super({
      appToken,
      clientOptions,
      ...(logger ? { logger } : {}),
      autoReconnectEnabled: false,
      clientPingTimeout: SILENCE_MS,
    });
    this.#alive = alive;
    this.#log = log;
  }

  protected override async onWebSocketMessage(data: string | ArrayBuffer, isBinary: boolean): Promise<void> {
    this.#alive();
    try {
      if (typeof data === 'string' && data.includes('"disconnect"')) {
        const { type, reason } = JSON.parse(data) as { type?: string; reason?: string };
        if (type === 'disconnect') this.reason = reason;
      }
      await super.onWebSocketMessage(data, isBinary);
    } catch (error) {
      // The library waits for nobody here: it would be an error of the process.
      this.#log.error({ error }, 'something from Slack could not be read; it is passed over');
    }
  }
}

function isDelivery(type: string): type is Delivery['kind'] {
  return type === 'events_api' || type === 'slash_commands' || type === 'interactive';
}

function isRoutine(reason: string | undefined): boolean {
  return reason === 'warning' || reason === 'refresh_requested';
}

function whyClosed(reason: string | undefined): string {
  if (reason === 'too_many_websockets') return 'more than ten programs are connected with this appToken';
  return `Slack closed the connection${reason === undefined ? '' : ` (${reason})`}; it is made again`;
}

function pauseOf(failures: number): number {
  return Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** failures) * (0.5 + Math.random() / 2);
}
