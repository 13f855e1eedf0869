/**
 * The main thread's side of the channels: keeps their thread, passes what it asks on to the shards and what they answer
 * back, and asks it what clients want to know. To a shard it is one more connection. Loaded only when an account is on.
 */
import { Packr } from 'msgpackr';
import type { Logger } from 'pino';
import { type EnabledAccount, enabledAccounts } from '../config/channels.ts';
import { DEFAULT_ACCOUNT } from '../config/default-account.ts';
import type { Config } from '../config/schema.ts';
import { DhaavakError, toWireError } from '../protocol/errors.ts';
import { encodeFrame } from '../protocol/frame.ts';
import type { ChannelStatus, PairingEvent, Replies, RequestData } from '../protocol/messages.ts';
import { RECORD } from '../shards/link.ts';
import { shardOf } from '../shards/placement.ts';
import type { ShardPool } from '../shards/pool.ts';
import type { Receiver } from '../shards/receiver.ts';
import type { RingReader } from '../shards/ring.ts';
import type { WebhookRequest, WebhookResponse } from './adapter.ts';
import { type AccountName, type Answered, CHANNEL_RECORD } from './control.ts';
import { ChannelsThread } from './thread.ts';

/** How often the heartbeat is looked at, and how many looks it may stand still: loading a library takes a second or two. */
const WATCH_MS = 500;
const SILENT_LOOKS_MAX = 30;
/** Wait before the thread is started again: doubles each time, until it has lived for RESTART_WINDOW_MS. */
const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 60_000;
const RESTART_WINDOW_MS = 60_000;
/** How long an answer of the thread is waited for, where nothing else says. */
const CALL_TIMEOUT_MS = 1_000;
const RESTART_TIMEOUT_MS = 30_000;
/** After that a message goes on without whoever asked for it to be sent. */
const SEND_TIMEOUT_MS = 60_000;
/** Requests `channel.send` that wait, of all clients. */
const SENDS_MAX = 256;
const WEBHOOK_TIMEOUT_MS = 10_000;
/** What the end of a drain may take besides what it waits for. */
const STOP_SLACK_MS = 2_000;

/** Plain maps, as on the wire; bytes stay bytes. */
const packr = new Packr({ useRecords: false });

export interface ChannelHostOptions {
  config: Config;
  shards: Pick<ShardPool, 'request' | 'size'>;
  topics: { add(session: string, receiver: Receiver): void; remove(session: string, receiver: Receiver): void };
  /** Tells clients that watch. */
  tell: {
    update(status: ChannelStatus): void;
    qr(name: AccountName, code: string | null): void;
    pairing(event: PairingEvent): void;
  };
  log: Logger;
}

export class ChannelHost implements Receiver {
  readonly #options: ChannelHostOptions;
  #accounts: readonly EnabledAccount[];
  /** As they were told last, by `platform:account`. */
  readonly #statuses = new Map<string, ChannelStatus>();
  /** Codes to be shown, for those who begin to watch. */
  readonly codes = new Map<string, AccountName & { code: string }>();
  readonly #sessions = new Set<string>();
  readonly #webhooks = new Map<number, (response: WebhookResponse | undefined) => void>();
  #lastWebhook = 0;
  #sends = 0;
  readonly #opened = Promise.withResolvers<void>();
  #thread: ChannelsThread | undefined;
  #generation = 0;
  #restarts = 0;
  #startedAt = 0;
  #watch: NodeJS.Timeout | undefined;
  #waiting: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: ChannelHostOptions) {
    this.#options = options;
    this.#accounts = enabledAccounts(options.config.channels);
    for (const account of this.#accounts) this.#expect(account);
  }

  #expect({ platform, account }: EnabledAccount): void {
    const counts = { lastInbound: null, received: 0, sent: 0, failed: 0, unknown: 0, waiting: 0 };
    const status: ChannelStatus = {
      channel: platform,
      account,
      state: 'connecting',
      reason: null,
      since: Date.now(),
      ...counts,
    };
    this.#statuses.set(addressOf(status), status);
  }

  /** Starts the thread, which loads what it needs. The store must be ready. */
  start(): void {
    this.#spawn();
    this.#watch = setInterval(() => this.#lookAfter(), WATCH_MS).unref();
  }

  /** Lets the accounts connect. What they take is not waited for. */
  open(): void {
    this.#opened.resolve();
  }

  /** The webhooks there are, as `platform/account`. */
  hasWebhook({ channel, account }: AccountName): boolean {
    return this.#accounts.some((one) => one.webhook && one.platform === channel && one.account === account);
  }

  // What plugins bring

  /** Has an account run, or run with other settings. Resolves when the thread has taken that in, or is gone. */
  async put(account: EnabledAccount): Promise<void> {
    const { platform, account: name } = account;
    this.#accounts = [...this.#others(platform, name), account];
    this.#expect(account);
    await this.#told((control) => control.put(account));
  }

  /** Disconnects an account for good. */
  async remove({ channel, account }: AccountName): Promise<void> {
    this.#accounts = this.#others(channel, account);
    await this.#told((control) => control.remove({ channel, account }));
    this.#statuses.delete(addressOf({ channel, account }));
  }

  #others(platform: string, name: string): EnabledAccount[] {
    return this.#accounts.filter((one) => one.platform !== platform || one.account !== name);
  }

  /** A thread that is started later finds the accounts as they are. */
  async #told(tell: (control: ChannelsThread['control']) => Promise<void>): Promise<void> {
    const thread = this.#thread;
    if (thread === undefined) return;
    await Promise.race([thread.ready, thread.ended]);
    await this.#call(RESTART_TIMEOUT_MS, tell);
  }

  // What clients ask

  /** How every account is; as it was told last, when the thread does not answer. */
  async list(): Promise<Replies['channel.list']> {
    const ready = this.#thread?.isReady;
    const listed = ready ? await this.#call(CALL_TIMEOUT_MS, (control) => control.list()) : undefined;
    for (const status of listed?.channels ?? []) this.#statuses.set(addressOf(status), status);
    return { channels: [...this.#statuses.values()], undelivered: listed?.undelivered ?? [] };
  }

  /** Throws `not_found`, `unavailable`. */
  async restart({ channel, account = DEFAULT_ACCOUNT }: RequestData<'channel.restart'>) {
    const answered = await this.#call(RESTART_TIMEOUT_MS, (control) => control.restart({ channel, account }));
    return { channel: resultOf(answered) };
  }

  /** Throws what went wrong. A message that still waits after a minute is `deadline_exceeded`, and goes on waiting. */
  async send({ to, text, idempotencyKey }: RequestData<'channel.send'>): Promise<Replies['channel.send']> {
    if (this.#sends >= SENDS_MAX) {
      throw new DhaavakError('busy', `${SENDS_MAX} messages wait to be sent`, { retryAfterMs: 1_000 });
    }
    this.#sends += 1;
    const late = { error: new DhaavakError('deadline_exceeded', 'it waits in the outbox and will be sent').toWire() };
    try {
      return resultOf(await this.#call(SEND_TIMEOUT_MS, (control) => control.send(to, text, idempotencyKey), late));
    } finally {
      this.#sends -= 1;
    }
  }

  /** The account's answer; undefined: there was none within 10 seconds. Never rejects. */
  webhook(name: AccountName, request: WebhookRequest): Promise<WebhookResponse | undefined> {
    const { promise, resolve } = Promise.withResolvers<WebhookResponse | undefined>();
    this.#lastWebhook = (this.#lastWebhook + 1) >>> 0;
    const number = this.#lastWebhook;
    const timer = setTimeout(() => done(undefined), WEBHOOK_TIMEOUT_MS);
    const done = (response: WebhookResponse | undefined): void => {
      clearTimeout(timer);
      this.#webhooks.delete(number);
      resolve(response);
    };
    this.#webhooks.set(number, done);
    const payload = packr.pack({ method: request.method, headers: [...request.headers], body: request.body });
    const taken = this.#thread?.link.send(CHANNEL_RECORD.webhook, number, addressOf(name), payload);
    if (taken !== true) done(undefined);
    return promise;
  }

  // What shards tell

  /** Passes a reply or event on. It is copied, so that nothing is left to flush. */
  queue(frame: Uint8Array): boolean {
    const taken = this.#thread?.link.sendWithTurn(CHANNEL_RECORD.frame, 0, '', frame);
    if (taken === false) this.#options.log.error('the channels are too far behind: they were not told of an event');
    return false;
  }

  flush(): void {}

  subscribe(session: string): void {
    this.#sessions.add(session);
    this.#options.topics.add(session, this);
  }

  answered(): void {}

  fail(id: string, error: Error): void {
    this.queue(encodeFrame({ id, type: 'error', timestamp: Date.now(), error: toWireError(error) }));
  }

  /** A session has put something into the outbox of an account. */
  outbox(account: string, record: Uint8Array): void {
    // A thread that is not there, or too far behind, finds it by itself.
    this.#thread?.link.sendWithTurn(CHANNEL_RECORD.outbox, 0, account, record);
  }

  // The thread

  stopIntake(): void {
    void this.#call(CALL_TIMEOUT_MS, (control) => control.stopIntake());
  }

  /** Lets what is to be sent go out for up to `timeoutMs`, disconnects, ends the thread. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#watch);
    clearTimeout(this.#waiting);
    if (this.#thread?.isReady) await this.#call(timeoutMs + STOP_SLACK_MS, (control) => control.drain(timeoutMs));
    await this.#thread?.terminate();
    this.#forget();
  }

  /** What the thread answers; `late` when that takes longer, undefined when it fails, ends or is not there. */
  async #call<T>(timeoutMs: number, ask: (control: ChannelsThread['control']) => Promise<T>, late?: T) {
    const thread = this.#thread;
    if (thread === undefined) return undefined;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<T | undefined>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, late);
    });
    const asked = ask(thread.control).catch((error: unknown) => {
      this.#options.log.error({ error }, 'a call to the channels failed');
      return undefined;
    });
    const answer = await Promise.race([asked, timeout, thread.ended.then(() => undefined)]);
    clearTimeout(timer);
    return answer;
  }

  #spawn(): void {
    const { config, tell } = this.#options;
    this.#generation += 1;
    this.#startedAt = performance.now();
    const thread = new ChannelsThread({
      config,
      accounts: this.#accounts,
      generation: this.#generation,
      opened: this.#opened.promise,
      onRecords: (reader) => this.#handle(reader),
      update: (status) => this.#update(status),
      qr: (name, code) => {
        if (code === null) this.codes.delete(addressOf(name));
        else this.codes.set(addressOf(name), { ...name, code });
        tell.qr(name, code);
      },
      pairingRequested: (data) => tell.pairing({ type: 'pairing.requested', data }),
    });
    this.#thread = thread;
    void thread.ended.then((error) => this.#ended(error));
  }

  #ended(error: Error): void {
    this.#thread = undefined;
    this.#forget();
    if (this.#stopping) return;
    if (performance.now() - this.#startedAt > RESTART_WINDOW_MS) this.#restarts = 0;
    const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#restarts);
    this.#restarts += 1;
    this.#options.log.error({ error, waitMs }, 'the thread of the channels ended: it is started again');
    const reason = `the thread of the channels ended and is started again: ${error.message}`;
    for (const status of this.#statuses.values()) {
      this.#update({ ...status, state: 'connecting', reason, since: Date.now() });
    }
    this.#waiting = setTimeout(() => this.#spawn(), waitMs);
  }

  /** What was under way for the thread that ended. */
  #forget(): void {
    for (const session of this.#sessions) this.#options.topics.remove(session, this);
    this.#sessions.clear();
    for (const done of [...this.#webhooks.values()]) done(undefined);
    for (const { channel, account } of [...this.codes.values()]) this.#options.tell.qr({ channel, account }, null);
    this.codes.clear();
  }

  #lookAfter(): void {
    const looks = this.#thread?.silentLooks() ?? 0;
    if (looks < SILENT_LOOKS_MAX) return;
    this.#options.log.error({ silentMs: looks * WATCH_MS }, 'the thread of the channels stopped answering');
    void this.#thread?.terminate(); // its end is supervised
  }

  #update(status: ChannelStatus): void {
    // What one says that was removed.
    if (!this.#statuses.has(addressOf(status))) return;
    this.#statuses.set(addressOf(status), status);
    this.#options.tell.update(status);
  }

  #handle(reader: RingReader): void {
    while (reader.next()) {
      const { kind, key, number } = reader;
      if (kind === CHANNEL_RECORD.request) this.#request(key, `${this.#generation}-${number}`, reader.payload);
      else if (kind === CHANNEL_RECORD.unsubscribe) {
        this.#sessions.delete(key);
        this.#options.topics.remove(key, this);
      } else this.#webhooks.get(number)?.(packr.unpack(reader.payload) as WebhookResponse);
    }
  }

  #request(session: string, id: string, frame: Uint8Array): void {
    const { shards } = this.#options;
    try {
      shards.request(shardOf(session, shards.size), session, frame, id, this, RECORD.channelRequest);
    } catch (error) {
      this.fail(id, error as Error);
    }
  }
}

function addressOf({ channel, account }: AccountName): string {
  return `${channel}:${account}`;
}

/** Throws the error it was answered with, `unavailable` when there was no answer. */
function resultOf<T>(answered: Answered<T> | undefined): T {
  if (answered === undefined) {
    throw new DhaavakError('unavailable', 'the channels do not answer; the outcome is unknown', {
      retryAfterMs: 1_000,
    });
  }
  if (answered.error !== undefined) throw DhaavakError.fromWire(answered.error);
  return answered.ok as T;
}
