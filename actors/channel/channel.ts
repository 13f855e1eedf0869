/** One account of a channel: keeps its adapter running, and what comes and goes through it in order. */
import type { Logger } from 'pino';
import type { Adapter, InboundMessage, WebhookRequest, WebhookResponse } from '../../src/channels/adapter.ts';
import { blame } from '../../src/channels/blame.ts';
import type { ShardClient } from '../../src/channels/shard-client.ts';
import type { Outcome } from '../../src/delivery/dispatch.ts';
import { LiveAnswer } from '../../src/delivery/live-answer.ts';
import type { Pairing } from '../../src/inbound/pairing.ts';
import type { Place } from '../../src/inbound/place.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { MessageOrigin } from '../../src/protocol/messages.ts';
import type { Actor, ActorContext, ActorDefinition } from '../../src/runtime/actor.ts';
import type { Write } from '../../src/storage/journal.ts';
import { laneOf, type OutboxKey, type OutboxRecord } from '../../src/storage/outbox.ts';
import type { PairingRequest } from '../../src/storage/pairing.ts';
import type { Store } from '../../src/storage/store.ts';
import type { Account } from './account.ts';
import { Acknowledgement } from './acknowledgement.ts';
import { Connection } from './connection.ts';
import { Inbound } from './inbound.ts';
import type { Questions } from './questions.ts';
import type { Asked, Runs } from './runs.ts';

/** Messages of one account that are taken at the same time, and such that wait for that. */
const TAKEN_MAX = 256;
const WAITING_MAX = 1_000;
/** Times a session is told of an answer that may not have arrived. */
const REPORT_TRIES_MAX = 5;
const REPORT_RETRY_MS = 1_000;

/** A message from the platform, and who waits for it to be kept. */
export interface Arrival {
  message: InboundMessage;
  done(error?: unknown): void;
}

export type ChannelControl =
  | { type: 'start' }
  | { type: 'restart' }
  /** A record was put into the outbox. */
  | { type: 'outbox'; key: OutboxKey }
  | { type: 'webhook'; request: WebhookRequest }
  /** Puts a message into the outbox, once for each `idempotencyKey`. Answered with how it ends, undefined: long ago. */
  | { type: 'send'; id: string; record: OutboxRecord; idempotencyKey: string | undefined }
  /** What waits for more of the same sender is given to its session now. */
  | { type: 'flush' }
  /** Resolves when nothing waits to be sent. */
  | { type: 'idle' }
  | { type: 'stop' };

export type ChannelAnswer = undefined | WebhookResponse | Outcome;

/** What all accounts share. */
export interface ChannelDependencies {
  account(key: string): Account;
  store: Store;
  shards: Pick<ShardClient, 'request'>;
  runs: Runs;
  questions: Questions;
  place: Place;
  pairing: Pairing;
  /** Somebody new has got a code. */
  pairingRequested(request: PairingRequest): void;
  newId(): string;
  /** Gives a message to the actor of its account. Rejects when that has too many. */
  arrive(key: string, arrival: Arrival): Promise<unknown>;
  /** Whether messages are still taken. */
  takesMore(): boolean;
  qr(account: Account, code: string | null): void;
  /** For what the adapter of an account keeps. */
  folder(account: Account): string;
  log: Logger;
}

/** Accounts as a kind of actor. They do not leave memory. */
export function channelKind(
  shared: ChannelDependencies,
): ActorDefinition<Arrival, void, ChannelControl, ChannelAnswer> {
  return {
    kind: 'channel',
    parallel: TAKEN_MAX,
    mailboxMax: WAITING_MAX,
    idleMs: Number.MAX_SAFE_INTEGER,
    create: (context) => new ChannelActor(context, shared),
  };
}

class ChannelActor implements Actor<Arrival, void, ChannelControl, ChannelAnswer> {
  readonly #account: Account;
  readonly #context: ActorContext<Arrival>;
  readonly #shared: ChannelDependencies;
  readonly #log: Logger;
  readonly #acknowledgement: Acknowledgement;
  #inbound: Inbound;
  #connection: Connection;

  constructor(context: ActorContext<Arrival>, shared: ChannelDependencies) {
    this.#context = context;
    this.#shared = shared;
    this.#account = shared.account(context.address.key);
    this.#log = shared.log.child({ channel: this.#account.key });
    this.#acknowledgement = new Acknowledgement({
      emoji: this.#account.settings.settings.ackReaction,
      adapter: () => this.#reach(),
      log: this.#log,
    });
    this.#connection = this.#connect();
    this.#inbound = this.#receiver();
  }

  /** Several at a time; those of one chat in order. */
  async receive({ message, done }: Arrival): Promise<void> {
    const { signal } = this.#connection;
    const stopped = Promise.withResolvers<never>();
    const stop = (): void => stopped.reject(signal.reason);
    signal.addEventListener('abort', stop);
    try {
      await Promise.race([this.#inbound.take(message), stopped.promise]);
      done();
    } catch (error) {
      done(error);
      if (!signal.aborted) this.#log.warn({ error, update: message.update }, 'a message could not be taken now');
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async control(message: ChannelControl): Promise<ChannelAnswer> {
    switch (message.type) {
      case 'start':
        return undefined; // it does, by being there
      case 'restart':
        await this.#connection.stop();
        this.#connection = this.#connect();
        this.#inbound = this.#receiver();
        return undefined;
      case 'outbox':
        this.#connection.outbox.add(message.key);
        return undefined;
      case 'webhook':
        return this.#webhook(message.request);
      case 'send':
        return this.#send(message);
      case 'flush':
        await this.#inbound.flush();
        return undefined;
      case 'idle':
        await this.#connection.outbox.idle();
        return undefined;
      case 'stop':
        await this.#connection.stop();
        this.#account.become('stopped', 'the gateway stops');
        return undefined;
    }
  }

  #connect(): Connection {
    const { store, questions, qr, folder, arrive, takesMore } = this.#shared;
    const account = this.#account;
    return new Connection({
      account,
      folder: folder(account),
      store,
      receive: (message) =>
        new Promise((resolve, reject) => {
          const done = (error?: unknown) => (error === undefined ? resolve() : reject(error));
          if (takesMore()) arrive(account.key, { message, done }).catch(reject);
          else reject(new Error('the gateway stops'));
        }),
      press: (press) => questions.press(account.key, press, this.#inbound.isOperator(press.sender)),
      qr: (code) => qr(account, code),
      preview: ([key, lane], { run }) =>
        run === undefined ? undefined : this.#shared.runs.take<LiveAnswer>(run, `${key} ${lane}`),
      ended: (key, record, outcome) => this.#ended(key, record, outcome),
      crashed: (error) => this.#crash(error),
      log: this.#log,
    });
  }

  #receiver(): Inbound {
    return new Inbound({
      ...this.#shared,
      account: this.#account,
      clock: this.#context.clock,
      signal: this.#connection.signal,
      asked: (origin) => this.#asked(origin),
      took: ({ chat, message }) => void this.#acknowledgement.give(chat, message),
      tell: (message, text) => this.#tell(message, text),
      log: this.#log,
    });
  }

  /** Puts a text that no session has written into the outbox. Throws `storage_failed`. */
  async #tell({ chat: { id, type, thread }, message }: InboundMessage, text: string): Promise<void> {
    const chat = { id, type, ...(thread === undefined ? {} : { thread }) };
    const record: OutboxRecord = { chat, replyTo: message, text, createdAt: Date.now(), sent: [] };
    await this.#put([this.#account.key, laneOf(chat), this.#shared.newId()], record);
  }

  /** Throws `busy` when too much waits for this chat, `storage_failed`. */
  async #put(key: OutboxKey, record: OutboxRecord, also?: Write): Promise<void> {
    const { outbox, journal } = this.#shared.store;
    if (!outbox.hasRoom(key[0], key[1])) {
      throw new DhaavakError('busy', 'too many messages wait to be sent to this chat', { retryAfterMs: 5_000 });
    }
    await journal.commit((batch) => {
      outbox.put(batch, key, record);
      also?.(batch);
    });
    this.#connection.outbox.add(key);
  }

  /** Has the runtime put another instance in the place of this one. */
  #crash(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#log.error({ error }, 'a channel account crashed');
    this.#account.become('connecting', `it crashed and is started again: ${reason}`);
    this.#context.timers.after(0, () => {
      throw error;
    });
  }

  async #webhook(request: WebhookRequest): Promise<WebhookResponse> {
    const { adapter } = this.#connection;
    if (adapter === undefined) return { status: 503 };
    if (adapter.webhook === undefined) return { status: 404 };
    return blame(this.#connection, async () => adapter.webhook!(request));
  }

  /** How what a message is sent as ends; undefined for one of a key whose message ended before. */
  async #send({ id, record, idempotencyKey }: ChannelControl & { type: 'send' }): Promise<Outcome | undefined> {
    const { store } = this.#shared;
    const account = this.#account;
    const name = `channel:${account.key}`;
    const original = idempotencyKey === undefined ? undefined : store.keys.owner(name, idempotencyKey, Date.now());
    if (original !== undefined) return this.#connection.outbox.outcome(original.message);
    if (account.down) {
      const { state, reason } = account.status();
      throw new DhaavakError('unavailable', `${account.key} is ${state}${reason === null ? '' : `: ${reason}`}`);
    }
    await this.#put([account.key, laneOf(record.chat), id], record, (batch) => {
      if (idempotencyKey !== undefined)
        store.keys.put(batch, name, idempotencyKey, { message: id, seq: 0 }, Date.now());
    });
    return this.#connection.outbox.outcome(id);
  }

  /** Undefined: not connected now. */
  #reach(): { adapter: Adapter; signal: AbortSignal } | undefined {
    const { adapter, gone } = this.#account.connection ?? {};
    return adapter === undefined || gone === undefined ? undefined : { adapter, signal: gone };
  }

  #asked({ chat, message }: MessageOrigin): Asked {
    const { newId } = this.#shared;
    const newKey = () => newId().slice(1); // 25 characters: the one left out will be a 0 until the year 3084
    return {
      place: `${this.#account.key} ${laneOf(chat)}`,
      account: this.#account.key,
      chat,
      replyTo: message,
      newKey,
      adapter: () => this.#reach(),
      begin: () => {
        const { adapter, gone } = this.#connection;
        if (adapter === undefined) return undefined;
        return new LiveAnswer({
          adapter,
          chat,
          replyTo: message,
          mode: this.#account.settings.settings.streaming,
          clock: this.#context.clock,
          newKey,
          log: this.#log,
          signal: gone,
        });
      },
    };
  }

  /** Counts, and tells the session of an answer that may not have arrived. */
  #ended([, chat, id]: OutboxKey, record: OutboxRecord, outcome: Outcome): void {
    if (outcome.status === 'sent') return;
    this.#account.count(outcome.status);
    const { session, message, run } = record;
    const { status, reason } = outcome;
    this.#log.error({ chat, session, message, run, reason, outbox: id }, `the fate of a message: ${status}`);
    if (session !== undefined && message !== undefined) void this.#report(session, message, record, { status, reason });
  }

  async #report(
    session: string,
    message: string,
    { entry }: OutboxRecord,
    delivery: Exclude<Outcome, { status: 'sent' }>,
  ) {
    const { platform: channel, account } = this.#account.settings;
    const place = { channel, account };
    const about = { message, place, delivery, ...(entry === undefined ? {} : { entry }) };
    for (let tries = 1; ; tries++) {
      try {
        await this.#shared.shards.request('channel.delivery', session, about);
        return;
      } catch (error) {
        if (tries < REPORT_TRIES_MAX) await new Promise((resolve) => setTimeout(resolve, REPORT_RETRY_MS * tries));
        else return this.#log.error({ error, session, message }, 'a session was not told of a lost answer');
      }
    }
  }
}
