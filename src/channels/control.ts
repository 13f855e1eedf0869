/** What the main thread and the channels' thread say to each other: records on a link, and rare calls through comlink. */
import type { MessagePort } from 'node:worker_threads';
import type { EnabledAccount } from '../config/channels.ts';
import type { Config } from '../config/schema.ts';
import type { WireError } from '../protocol/errors.ts';
import type { ChannelStatus, PairingInfo, Replies, Undelivered } from '../protocol/messages.ts';
import type { LinkEnd } from '../shards/link.ts';

/** What a record between the two is. */
export const CHANNEL_RECORD = {
  /** To the main thread: a request (`requests.ts`) for the session `key`, to be passed on to its shard. */
  request: 1,
  /** To the main thread: the session `key` is not listened to any more. */
  unsubscribe: 2,
  /** To the channels: a frame of a shard, a reply or an event of a session that is listened to. */
  frame: 3,
  /** To the channels: the account `key` has a new record in its outbox; the payload is the record's key as JSON. */
  outbox: 4,
  /** To the channels: request `number` to the webhook of the account `key`. */
  webhook: 5,
  /** To the main thread: its answer. */
  webhookAnswer: 6,
} as const;

/** What the thread is started with. */
export interface ChannelsData {
  config: Config;
  /** Those that are to run. */
  accounts: readonly EnabledAccount[];
  /** Another one for each life of the thread: what is meant for the one before is not taken. */
  generation: number;
  link: LinkEnd;
  control: MessagePort;
  /** One counter that the thread raises while its event loop turns. */
  heartbeat: SharedArrayBuffer;
}

/** Where an account is, of which the parts are words without a colon. */
export interface AccountName {
  channel: string;
  account: string;
}

/** The answer to a call, or the error it was refused with: comlink would lose what kind of error it is. */
export interface Answered<T> {
  ok?: T;
  error?: WireError;
}

/** What the main thread may ask. */
export interface ChannelsControl {
  list(): { channels: ChannelStatus[]; undelivered: Undelivered[] };
  restart(name: AccountName): Promise<Answered<ChannelStatus>>;
  /** Another account is to run, or one it has with other settings. */
  put(account: EnabledAccount): Promise<void>;
  /** Disconnects an account for good. */
  remove(name: AccountName): Promise<void>;
  /** Answered when it is sent, or could not be. */
  send(to: string, text: string, idempotencyKey: string | undefined): Promise<Answered<Replies['channel.send']>>;
  /** Takes no more messages; what is being sent goes on. */
  stopIntake(): void;
  /** Waits up to `timeoutMs` for what is to be sent, disconnects every account, closes the store. */
  drain(timeoutMs: number): Promise<void>;
}

/** What the channels may ask of the main thread. */
export interface ChannelsMain {
  /** Called once, when calls are taken. Resolves when accounts may connect. */
  ready(): Promise<void>;
  update(status: ChannelStatus): void;
  qr(name: AccountName, code: string | null): void;
  /** Somebody new asks to be let in. */
  pairingRequested(request: PairingInfo): void;
}

/** How often the thread raises its heartbeat, in milliseconds. */
export const CHANNELS_HEARTBEAT_MS = 250;
