import { DhaavakError } from '../protocol/errors.ts';
import type { Frame } from '../protocol/frame.ts';
import { backoffMs, pause, RECONNECT_DEFAULTS, type ReconnectOptions } from './backoff.ts';
import { type Closed, openWire, type Wire } from './wire.ts';

/** Time for a connection to be open and ready, in milliseconds. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Close codes after which the same client would be refused again: `CLOSE_CODES` 4400, 4401 and 4402. */
const FINAL_CODES: ReadonlySet<number> = new Set([4400, 4401, 4402]);
/** The same, where the refusal came as an error before the close. */
const FINAL_ERRORS: Readonly<Record<string, number>> = {
  invalid_request: 4400,
  invalid_frame: 4400,
  unauthorized: 4401,
  hello_required: 4401,
  protocol_unsupported: 4402,
};
const BY_US: Closed = { code: 1000, reason: '' };

/** Where a client is with its connection. `delayMs`: until the next try, number `attempt` (from 1) in a row. */
export type ClientState =
  | { state: 'connecting' }
  | { state: 'open' }
  | ({ state: 'reconnecting'; delayMs: number; attempt: number } & Closed)
  | ({ state: 'closed' } & Closed);

interface KeeperHooks {
  onFrame(frame: Frame): void;
  /** Makes a new connection ready for use. When it rejects, the connection is given up. */
  prepare(wire: Wire): Promise<void>;
  /** Resolves when the gateway answers on this connection. */
  ping(wire: Wire): Promise<unknown>;
  /** This connection has ended. */
  onLost(wire: Wire, error: DhaavakError): void;
  /** No other one will follow. */
  onEnd(error: DhaavakError): void;
  onState(state: ClientState): void;
}

/**
 * Keeps a client connected: one connection after another, until it is stopped, refused for good (4400, 4401, 4402) or out
 * of tries.
 */
export class Keeper {
  /** Resolves when there will be no other connection. */
  readonly closed: Promise<Closed>;
  /** Milliseconds the gateway asked to stay away before the next try. */
  awayMs = 0;
  readonly #url: string;
  readonly #reconnect: Required<ReconnectOptions> | false;
  readonly #heartbeatMs: number;
  readonly #hooks: KeeperHooks;
  readonly #stop = new AbortController();
  #resolveClosed: (closed: Closed) => void = () => {};
  #wire: Wire | undefined;
  #lastClosed: Closed = BY_US;
  #keeping = false;
  #state: ClientState = { state: 'connecting' };

  /** @param heartbeatMs silence after which the gateway is asked whether it is still there */
  constructor(url: string, reconnect: ReconnectOptions | false, heartbeatMs: number, hooks: KeeperHooks) {
    this.#url = url;
    this.#heartbeatMs = heartbeatMs;
    this.#reconnect = reconnect && { ...RECONNECT_DEFAULTS, ...reconnect };
    this.#hooks = hooks;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  get state(): ClientState {
    return this.#state;
  }

  /** The first connection, in one try. Rejects with a DhaavakError. */
  async open(): Promise<void> {
    const wire = await this.#connect();
    this.#keeping = true;
    void this.#keep(wire);
  }

  stop(): void {
    this.#stop.abort();
    if (!this.#keeping) this.#end(BY_US);
  }

  async #keep(first: Wire): Promise<void> {
    for (let wire: Wire | undefined = first; wire !== undefined; ) {
      const closed: Closed = await wire.closed;
      wire = this.#isFinal(closed) ? undefined : await this.#comeBack(closed);
    }
    this.#end(this.#lastClosed);
  }

  #isFinal({ code }: Closed): boolean {
    return this.#stop.signal.aborted || this.#reconnect === false || FINAL_CODES.has(code);
  }

  /** The next connection; undefined when there is none. */
  async #comeBack(lost: Closed): Promise<Wire | undefined> {
    if (this.#reconnect === false) return undefined;
    for (let attempt = 0; attempt < this.#reconnect.triesMax; attempt += 1) {
      const delayMs = this.awayMs + backoffMs(attempt, this.#reconnect);
      this.awayMs = 0;
      this.#become({ state: 'reconnecting', delayMs, attempt: attempt + 1, ...lost });
      await pause(delayMs, this.#stop.signal);
      if (this.#stop.signal.aborted) break;
      try {
        return await this.#connect();
      } catch (error) {
        const code = error instanceof DhaavakError ? FINAL_ERRORS[error.code] : undefined;
        if (code !== undefined) this.#lastClosed = { code, reason: (error as DhaavakError).message };
        if (this.#isFinal(this.#lastClosed)) break;
      }
    }
    return undefined;
  }

  async #connect(): Promise<Wire> {
    this.#become({ state: 'connecting' });
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), CONNECT_TIMEOUT_MS);
    let wire: Wire | undefined;
    try {
      wire = await openWire(
        this.#url,
        (frame) => {
          if (wire !== undefined && wire === this.#wire) this.#hooks.onFrame(frame);
        },
        AbortSignal.any([this.#stop.signal, late.signal]),
      );
      this.#watch(wire);
      await this.#hooks.prepare(wire);
      this.#become({ state: 'open' });
      void this.#beat(wire);
      return wire;
    } catch (error) {
      if (this.#wire === wire) this.#wire = undefined; // what it may still say is not heard
      wire?.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** A connection can die without a word (a cable, a laptop that slept): one that is silent when asked is given up. */
  async #beat(wire: Wire): Promise<void> {
    const ended = new AbortController();
    void wire.closed.then(() => ended.abort());
    while (!ended.signal.aborted) {
      wire.heard = false;
      await pause(this.#heartbeatMs, ended.signal);
      if (wire.heard || ended.signal.aborted) continue;
      await this.#hooks.ping(wire).catch(() => {
        if (!wire.heard) wire.abandon('the gateway does not answer');
      });
    }
  }

  #watch(wire: Wire): void {
    this.#wire = wire;
    void wire.closed.then((closed) => {
      this.#lastClosed = closed;
      this.#hooks.onLost(wire, wire.fault ?? ended(closed));
    });
  }

  #end(closed: Closed): void {
    if (this.#state.state === 'closed') return;
    this.#hooks.onEnd(this.#wire?.fault ?? ended(closed));
    this.#become({ state: 'closed', ...closed });
    this.#resolveClosed(closed);
  }

  #become(state: ClientState): void {
    this.#state = state;
    this.#hooks.onState(state);
  }
}

function ended({ code, reason }: Closed): DhaavakError {
  return new DhaavakError('unavailable', `the connection ended (${code}${reason && `: ${reason}`})`);
}
