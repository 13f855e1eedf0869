/** One life of an account's adapter: from when it is to connect until it is stopped, or fails and another takes its place. */
import type { Logger } from 'pino';
import type { Adapter, AdapterEvents, ChannelState, InboundMessage, Press } from '../../src/channels/adapter.ts';
import { adapterUrl, createAdapter } from '../../src/channels/adapters.ts';
import { type Blamed, blame, suspect } from '../../src/channels/blame.ts';
import { Outbox, type OutboxParts } from '../../src/delivery/outbox.ts';
import { asChannelError } from '../../src/delivery/retry.ts';
import type { Account } from './account.ts';

/** Wait before an account that could not connect tries again: doubles each time. */
const BACKOFF_MIN_MS = 1_000;
const BACKOFF_MAX_MS = 300_000;
/** How long a disconnecting adapter is waited for. */
const STOP_TIMEOUT_MS = 5_000;
/** How often it is looked for records that were not announced. */
const SCAN_MS = 30_000;

export interface ConnectionParts {
  account: Account;
  /** For what the adapter keeps. */
  folder: string;
  store: OutboxParts['store'];
  receive(message: InboundMessage): Promise<void>;
  /** Never rejects. */
  press(press: Press): Promise<string>;
  qr(code: string | null): void;
  preview: OutboxParts['preview'];
  ended: OutboxParts['ended'];
  /** Something of it was thrown into nothing: it has been stopped. */
  crashed(error: unknown): void;
  log: Logger;
}

export class Connection implements Blamed {
  readonly outbox: Outbox;
  readonly #parts: ConnectionParts;
  readonly #stopping = new AbortController();
  readonly #gone = new AbortController();
  readonly #scanning: NodeJS.Timeout;
  readonly #unsuspect: () => void;
  #adapter: Adapter | undefined;
  #stopped: Promise<void> | undefined;

  /** Begins to connect. */
  constructor(parts: ConnectionParts) {
    const { account, store, preview, ended, log } = parts;
    this.#parts = parts;
    this.outbox = new Outbox({
      account: account.key,
      store,
      preview,
      ended,
      adapter: () => this.#adapter as Adapter,
      sent: () => account.count('sent'),
      unauthorized: (error) => this.#become('logged-out', error.message),
      trouble: (error, [, chat]) => log.warn({ error, chat }, 'a message could not be sent now'),
    });
    account.outbox = this.outbox;
    account.connection = this;
    this.outbox.scan();
    this.#scanning = setInterval(() => this.outbox.scan(), SCAN_MS).unref();
    account.become('connecting');
    const url = adapterUrl(account.settings);
    this.#unsuspect = suspect(account.settings.module === undefined ? new URL('.', url).href : url, this);
    blame(this, () => void this.#run());
  }

  /** Aborted when it stops. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Aborted when nothing is sent any more: some time after {@link signal}. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Undefined while there is none. */
  get adapter(): Adapter | undefined {
    return this.signal.aborted ? undefined : this.#adapter;
  }

  /** Disconnects; another call waits for the same. Never rejects. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    this.#parts.account.ended = this.#stopped;
    return this.#stopped;
  }

  fail(error: unknown): void {
    if (this.signal.aborted) {
      this.#parts.log.warn({ error }, 'an adapter that was stopped has failed');
      return;
    }
    void this.stop();
    this.#parts.crashed(error);
  }

  /** Makes an adapter and starts it, until one starts or it is of no use to try again. */
  async #run(): Promise<void> {
    await this.#parts.account.ended;
    for (let tries = 0; !this.signal.aborted; tries++) {
      try {
        await this.#start();
        return;
      } catch (error) {
        await this.#leave();
        if (this.signal.aborted) return;
        const { kind, message: reason } = asChannelError(error);
        if (kind === 'unauthorized') return this.#become('logged-out', reason);
        if (kind === 'rejected' || error instanceof LoadFailure) return this.#become('stopped', reason);
        const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** tries);
        this.#become('degraded', `it could not connect and tries again: ${reason}`);
        await new Promise((resolve) => {
          setTimeout(resolve, waitMs);
          this.signal.addEventListener('abort', resolve, { once: true });
        });
      }
    }
  }

  async #start(): Promise<void> {
    const { account, folder, log } = this.#parts;
    const context = { account: account.settings.account, folder, log, signal: this.gone };
    this.#adapter = await createAdapter(account.settings, context).catch((error: unknown) => {
      throw asChannelError(error).kind === 'unknown' ? new LoadFailure(error) : error;
    });
    await this.#adapter.start(this.#events(this.#adapter));
    if (!this.signal.aborted && !account.down) this.outbox.open();
  }

  #events(of: Adapter): AdapterEvents {
    const { account, receive, press, qr, log } = this.#parts;
    const live = (): boolean => !this.signal.aborted && this.#adapter === of;
    return {
      receive: async (message) => {
        if (!live()) throw new Error('the account was stopped');
        account.alive();
        await receive(message);
      },
      press: async (pressed) => {
        account.alive();
        return press(pressed);
      },
      state: (state, reason) => {
        if (live()) this.#become(state, reason);
      },
      alive: () => account.alive(),
      qr: (code) => {
        if (live()) qr(code ?? null);
      },
      log,
    };
  }

  #become(state: ChannelState, reason?: string): void {
    const { account, log } = this.#parts;
    if (!account.become(state, reason)) return;
    const level = state === 'logged-out' || state === 'stopped' ? 'error' : state === 'degraded' ? 'warn' : 'info';
    log[level]({ state, reason }, 'channel account');
    if (account.down) this.outbox.close();
    else if (state === 'ready' && this.#adapter !== undefined) this.outbox.open();
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new Error('the account stops'));
    clearInterval(this.#scanning);
    this.#parts.qr(null);
    await this.outbox.stop();
    this.#gone.abort(new Error('the account stops'));
    await this.#leave();
    this.#unsuspect();
  }

  /** Lets the adapter disconnect, for as long as that may take. */
  async #leave(): Promise<void> {
    const adapter = this.#adapter;
    this.#adapter = undefined;
    if (adapter === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STOP_TIMEOUT_MS);
    });
    const stopped = blame(this, async () => adapter.stop()).catch((error: unknown) =>
      this.#parts.log.warn({ error }, 'an adapter could not be stopped'),
    );
    await Promise.race([stopped, late]);
    clearTimeout(timer);
  }
}

/** The adapter could not even be made: its file is missing or wrong. */
class LoadFailure extends Error {
  constructor(cause: unknown) {
    super(`its adapter cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
