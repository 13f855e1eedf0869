import type { WebhookRequest, WebhookResponse } from '../channels/adapter.ts';
import { DhaavakError } from '../protocol/errors.ts';
import type { GatewayEvents, Replies, RequestData } from '../protocol/messages.ts';
import type { Clients } from './clients.ts';
import type { Connection } from './connection.ts';

/** An account, by its names in the configuration. */
export interface AccountName {
  channel: string;
  account: string;
}

/** The channels, as clients and platforms reach them. */
export interface Channels {
  list(): Promise<Replies['channel.list']>;
  restart(name: RequestData<'channel.restart'>): Promise<Replies['channel.restart']>;
  send(message: RequestData<'channel.send'>): Promise<Replies['channel.send']>;
  hasWebhook(name: AccountName): boolean;
  /** Undefined: no answer in time. */
  webhook(name: AccountName, request: WebhookRequest): Promise<WebhookResponse | undefined>;
  /** Pairing codes that are to be shown now. */
  readonly codes: ReadonlyMap<string, GatewayEvents['channel.qr']>;
}

/** Answers requests about channels, also where there are none. */
export class ChannelDesk {
  readonly #clients: Clients;
  readonly #find: () => Channels | undefined;

  /** @param find what there is now: it may begin with the first channel of a plugin */
  constructor(clients: Clients, find: () => Channels | undefined) {
    this.#clients = clients;
    this.#find = find;
  }

  get #channels(): Channels | undefined {
    return this.#find();
  }

  /** Also lets the connection watch, or not any more. */
  async list(connection: Connection, { watch }: RequestData<'channel.list'>): Promise<Replies['channel.list']> {
    if (watch !== undefined) this.#clients.watchChannels(connection, watch);
    if (watch) for (const code of this.#channels?.codes.values() ?? []) this.#clients.tellQr(code, connection);
    return this.#channels?.list() ?? { channels: [], undelivered: [] };
  }

  async restart(name: RequestData<'channel.restart'>): Promise<Replies['channel.restart']> {
    return this.#there.restart(name);
  }

  async send(message: RequestData<'channel.send'>): Promise<Replies['channel.send']> {
    return this.#there.send(message);
  }

  hasWebhook(name: AccountName): boolean {
    return this.#channels?.hasWebhook(name) ?? false;
  }

  webhook(name: AccountName, request: WebhookRequest): Promise<WebhookResponse | undefined> {
    return this.#there.webhook(name, request);
  }

  get #there(): Channels {
    if (this.#channels !== undefined) return this.#channels;
    throw new DhaavakError('not_found', 'no account of a channel is configured and on', { param: 'data.channel' });
  }
}
