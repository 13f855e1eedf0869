/**
 * The connection of an account: it links the device by a QR code where there are no credentials, comes back after the
 * connection ended as the ending deserves (`failure.ts`), and looks after it while it stands.
 *
 *   open → connecting → ready → (ended) → degraded → … → ready
 *                     ↘ qr ↗           ↘ logged-out · stopped, until somebody acts
 */
import { EventEmitter, once } from 'node:events';
import type { BinaryNode, ConnectionState, SocketConfig } from '@whiskeysockets/baileys';
import { type AdapterEvents, ChannelError } from '../adapter.ts';
import type { Credentials } from './credentials.ts';
import { type Ending, endingOf, Reconnect } from './failure.ts';
import type { Intake } from './intake.ts';
import { type Baileys, libraryLog, type Socket } from './library.ts';

/** In milliseconds. */
export interface Timings {
  /** Upper bound of the wait before the first new try; it doubles with every further one, up to `retryMax`. */
  readonly retryMin: number;
  readonly retryMax: number;
  /** Between two pings. Without an answer for this and 5 s more baileys ends the connection. */
  readonly keepAlive: number;
  /** Without anything but answers for so long, the connection is begun anew: it may be dead inwards, though pings pass. */
  readonly quiet: number;
  /** How long each QR code is shown. Left out: as long as WhatsApp says that it is good, 60 s and then 20 s. */
  readonly code?: number;
}

export const TIMINGS: Timings = { retryMin: 500, retryMax: 60_000, keepAlive: 30_000, quiet: 30 * 60_000 };
/** A connection that stood for so long starts the waits from the beginning when it ends. */
const STABLE_MS = 30_000;
const QUERY_TIMEOUT_MS = 30_000;
/** How long WhatsApp may take to close a connection that we end. */
const CLOSE_MS = 2_000;
/** New connections that were asked for in a row and came to nothing; more are waited for. */
const RESTARTS_MAX = 3;
/** One round of codes is good for some 160 s. */
const CODE_ROUNDS_MAX = 5;
/** A send waits for the next try while no more than so many failed, and no longer than this. */
const SHORT_ATTEMPTS = 1;
const SETTLE_MS = 10_000;

export interface ConnectionSetup {
  readonly baileys: Baileys;
  readonly credentials: Credentials;
  readonly events: AdapterEvents;
  readonly url: string | undefined;
  readonly timings: Timings;
  readonly options: Pick<SocketConfig, 'getMessage' | 'cachedGroupMetadata'>;
  /** `socket` is there as soon as something comes. */
  makeIntake(socket: () => Socket, reconnect: (reason: Reconnect) => void): Intake;
  /** For what else listens to a connection. */
  began(socket: Socket): void;
}

interface Current {
  readonly socket: Socket;
  readonly intake: Intake;
  /** Aborted when the connection ended, with an Error. */
  readonly lost: AbortController;
  openedAt: number | undefined;
  showedCode: boolean;
}

export class Connection {
  readonly #setup: ConnectionSetup;
  #current: Current | undefined;
  /** Emits `settled` when a try to connect came to something, or not. */
  readonly #tries = new EventEmitter();
  #ending: Ending | undefined;
  #retry: NodeJS.Timeout | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #attempts = 0;
  #restarts = 0;
  #codeRounds = 0;
  #closed = false;

  constructor(setup: ConnectionSetup) {
    this.#setup = setup;
  }

  open(): void {
    const { events, credentials } = this.#setup;
    events.state(
      'connecting',
      credentials.linked ? undefined : 'it waits for its QR code to be scanned with the phone',
    );
    this.#connect();
  }

  /** The connection, for sending. Throws a ChannelError when there is none. */
  ready(): { readonly socket: Socket; readonly lost: AbortSignal } {
    const current = this.#current;
    if (current?.openedAt !== undefined) return { socket: current.socket, lost: current.lost.signal };
    const { act, reason } = this.#ending ?? {};
    if (act === 'forget') throw new ChannelError('unauthorized', reason!);
    throw new ChannelError('temporary', reason ?? 'WhatsApp is not connected');
  }

  /** Waits for the try to connect that is under way or comes next, unless several have failed. Never rejects. */
  async settled(signal: AbortSignal): Promise<void> {
    if (this.#closed || this.#current?.openedAt !== undefined || !this.#setup.credentials.linked) return;
    if ((!this.#current && !this.#retry) || this.#attempts > SHORT_ATTEMPTS) return;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(SETTLE_MS)]);
    await once(this.#tries, 'settled', { signal: limit }).catch(() => undefined);
  }

  /** The connection, if it stands. */
  get socket(): Socket | undefined {
    return this.#current?.openedAt === undefined ? undefined : this.#current.socket;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#tries.emit('settled');
    const current = this.#current;
    if (!current) return;
    this.#leave(current, new Error('stopped'));
    await hangUp(current.socket, undefined);
  }

  #connect(): void {
    const { baileys, credentials, events, url, timings, options } = this.#setup;
    const lost = new AbortController();
    const intake = this.#setup.makeIntake(
      () => socket,
      (reason) => this.#end(current, reason),
    );
    const socket = capturingRejections(() =>
      baileys.makeWASocket({
        ...options,
        ...(url === undefined ? {} : { waWebSocketUrl: url }),
        auth: { creds: credentials.creds, keys: credentials.keys },
        logger: libraryLog(events.log),
        browser: ['Dhaavak', 'Chrome', '1.0'],
        markOnlineOnConnect: false,
        emitOwnEvents: false,
        syncFullHistory: false,
        keepAliveIntervalMs: timings.keepAlive,
        ...(timings.code === undefined ? {} : { qrTimeout: timings.code }),
        defaultQueryTimeoutMs: QUERY_TIMEOUT_MS,
        transactionOpts: { maxCommitRetries: 3, delayBetweenTriesMs: 200 },
        // Statuses, broadcast lists and channels: nobody there waits for an answer.
        shouldIgnoreJid: (jid) => jid.endsWith('@broadcast') || jid.endsWith('@newsletter'),
        makeSignalRepository: intake.makeRepository,
      }),
    );
    const current: Current = { socket, intake, lost, openedAt: undefined, showedCode: false };
    this.#current = current;
    intake.attach(socket);
    this.#setup.began(socket);
    socket.ws.on('frame', (frame: BinaryNode | Uint8Array) => this.#came(current, frame));
    // Baileys waits for its time-out.
    socket.ws.on('unexpected-response', (_: unknown, { statusCode }: { statusCode?: number }) =>
      this.#end(
        current,
        new Reconnect(`WhatsApp cannot be reached: something on the way answers with HTTP ${statusCode}`),
      ),
    );
    socket.ev.on('creds.update', () => this.#save());
    socket.ev.on('connection.update', (update) => this.#update(current, update));
    // What an asynchronous listener of baileys' own throws.
    (socket.ev as unknown as EventEmitter).on('error', (error) =>
      events.log.warn({ error }, 'baileys failed at an event'),
    );
  }

  #came(current: Current, frame: BinaryNode | Uint8Array): void {
    if (current !== this.#current) return;
    this.#setup.events.alive();
    // Answers come as long as questions do; only what WhatsApp sends by itself shows that it still does.
    if (!(frame instanceof Uint8Array) && frame.tag !== 'iq' && frame.tag !== 'ack') this.#quiet?.refresh();
  }

  #save(): void {
    try {
      this.#setup.credentials.save();
    } catch (error) {
      this.#setup.events.log.error({ error }, 'the identity of the linked device could not be saved');
    }
  }

  #update(current: Current, update: Partial<ConnectionState>): void {
    if (current !== this.#current) return;
    const { events } = this.#setup;
    if (update.qr !== undefined) {
      current.showedCode = true;
      events.qr(update.qr);
    }
    if (update.isNewLogin) {
      events.qr(undefined);
      this.#codeRounds = 0;
      events.state('connecting', 'the device is linked, and logs in');
    }
    if (update.reachoutTimeLock && current.openedAt !== undefined) this.#restricted(update.reachoutTimeLock);
    if (update.connection === 'open') this.#opened(current);
    if (update.connection === 'close') this.#ended(current, update.lastDisconnect?.error);
  }

  #opened(current: Current): void {
    current.openedAt = performance.now();
    this.#restarts = 0;
    const { quiet } = this.#setup.timings;
    const reason = `WhatsApp has sent nothing for ${Math.round(quiet / 60_000)} minutes: the connection is tried anew`;
    this.#quiet = setTimeout(() => this.#end(current, new Reconnect(reason, true)), quiet);
    this.#setup.events.state('ready');
    this.#tries.emit('settled');
  }

  #restricted({ isActive, timeEnforcementEnds }: NonNullable<ConnectionState['reachoutTimeLock']>): void {
    const until = timeEnforcementEnds ? ` until ${timeEnforcementEnds.toISOString()}` : '';
    if (isActive) this.#setup.events.state('degraded', `WhatsApp lets this account start no new chats${until}`);
    else this.#setup.events.state('ready');
  }

  /** Ends a connection ourselves. Baileys tells the end only when the other side agreed, which a dead one does not. */
  #end(current: Current, reason: Reconnect): void {
    if (current !== this.#current) return;
    this.#ended(current, reason);
    void hangUp(current.socket, reason);
  }

  #leave(current: Current, error: Error): void {
    this.#current = undefined;
    clearTimeout(this.#quiet);
    current.intake.end();
    current.lost.abort(error);
    if (current.showedCode) this.#setup.events.qr(undefined);
  }

  #ended(current: Current, error: unknown): void {
    const ending = endingOf(error);
    this.#ending = ending;
    this.#leave(current, new Error(ending.reason));
    this.#tries.emit('settled');
    if (this.#closed) return;
    if (current.openedAt !== undefined && performance.now() - current.openedAt > STABLE_MS) this.#attempts = 0;
    if (ending.act === 'forget') this.#forget(ending.reason);
    else if (ending.act === 'stop') this.#setup.events.state('stopped', ending.reason);
    else if (current.showedCode && !this.#setup.credentials.linked) this.#nextCodes();
    else if (ending.act === 'restart' && this.#restarts++ < RESTARTS_MAX) this.#connect();
    else this.#wait(ending, error instanceof Reconnect && error.quiet);
  }

  #forget(reason: string): void {
    const { credentials, events } = this.#setup;
    const aside = credentials.setAside('logged-out');
    events.state('logged-out', `${reason}; restart the account to link it again (the old credentials are ${aside})`);
  }

  /** Nobody scanned the codes, or the connection ended before somebody could. */
  #nextCodes(): void {
    this.#codeRounds += 1;
    if (this.#codeRounds < CODE_ROUNDS_MAX) {
      this.#wait({ reason: 'the QR codes ran out' }, true);
      return;
    }
    this.#ending = { act: 'stop', reason: 'nobody scanned the QR code' };
    this.#setup.events.state('logged-out', 'nobody scanned the QR code; restart the account for a new one');
  }

  /** Any time up to a bound that doubles ("full jitter", Marc Brooker, AWS Architecture Blog, 2015). */
  #wait({ reason, waitMs }: { reason: string; waitMs?: number }, quiet: boolean): void {
    const { retryMin, retryMax } = this.#setup.timings;
    const delayMs = waitMs ?? Math.random() * Math.min(retryMax, retryMin * 2 ** this.#attempts);
    this.#attempts += 1;
    const next = `${reason}; the next try is in ${Math.ceil(delayMs / 1_000)} s`;
    this.#setup.events.state(quiet ? 'connecting' : 'degraded', next);
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#connect();
    }, delayMs);
  }
}

/** Closes a connection, and does not wait long for the other side to do so too. */
async function hangUp(socket: Socket, reason: Error | undefined): Promise<void> {
  let late: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    late = setTimeout(resolve, CLOSE_MS);
  });
  // A property that baileys keeps to itself: the WebSocket of the package ws.
  const { socket: webSocket } = socket.ws as unknown as { socket: { terminate(): void } | null };
  await Promise.race([socket.end(reason), timeout]).catch(() => undefined);
  clearTimeout(late);
  webSocket?.terminate();
}

/**
 * Emitters that are made meanwhile emit what their asynchronous listeners throw as `error`. Baileys has many such listeners;
 * without this a frame it cannot decrypt, or one that comes while the connection closes, would end the process.
 */
function capturingRejections<T>(make: () => T): T {
  const before = EventEmitter.captureRejections;
  EventEmitter.captureRejections = true;
  try {
    return make();
  } finally {
    EventEmitter.captureRejections = before;
  }
}
