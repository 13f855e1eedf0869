/**
 * What was said while there was no session that could be resumed: after a long break, and while the gateway was down. It
 * is read from the history of the channels in which something was said since, and comes before what is said there now.
 */
import { type APIMessage, type GatewayGuildCreateDispatchData, Routes } from 'discord-api-types/v10';
import type { Logger } from 'pino';
import { patiently } from '../patience.ts';
import type { Hold, Position } from '../position.ts';
import type { Api } from './api.ts';

/** Channels that are asked after one break. */
const CHANNELS_MAX = 100;
/** Messages of one channel, and of one answer of Discord. */
const MESSAGES_MAX = 500;
const PAGE = 100;
/** How long servers are waited for: one may be out of service at Discord. */
const SERVERS_MS = 60_000;

/** What is to be done with a channel's work and messages. */
export interface Found {
  /** Does it in the line of the channel. False: there is no room. */
  add(channel: string, work: () => Promise<void>): boolean;
  /** Handles one message of the past. */
  message(message: APIMessage, guild: string | undefined): Promise<void>;
}

export class CatchUp {
  readonly #api: Api;
  readonly #position: Position;
  readonly #found: Found;
  readonly #log: Logger;
  readonly #stopping = new AbortController();
  /** Servers of the session that have not told of their channels yet. */
  readonly #servers = new Set<string>();
  #hold: Hold | undefined;
  #asked = 0;
  #asking = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(api: Api, position: Position, found: Found, log: Logger) {
    this.#api = api;
    this.#position = position;
    this.#found = found;
    this.#log = log;
  }

  /** A session begins in these servers. */
  begin(servers: readonly string[]): void {
    const before = this.#hold;
    this.#hold = this.#position.hold();
    before?.release();
    this.#asked = 0;
    for (const server of servers) this.#servers.add(server);
    for (const channel of this.#position.places) this.#ask(channel, undefined);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#servers.clear();
      this.#release();
    }, SERVERS_MS).unref();
    this.#release();
  }

  /** A server tells of its channels. One that was not there when the session began is new: nothing was missed in it. */
  server({ id, channels, threads }: GatewayGuildCreateDispatchData): void {
    if (!this.#servers.delete(id) || this.#hold === undefined) return;
    for (const channel of [...channels, ...threads]) {
      const last = 'last_message_id' in channel ? channel.last_message_id : undefined;
      if (last && BigInt(last) > this.#hold.from) this.#ask(channel.id, id);
    }
    this.#release();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#stopping.abort();
  }

  #ask(channel: string, guild: string | undefined): void {
    const { from } = this.#hold!;
    if (this.#asked === CHANNELS_MAX) {
      this.#log.warn({ channels: CHANNELS_MAX }, 'messages were missed in more channels of Discord than are asked');
    }
    this.#asked += 1;
    if (this.#asked > CHANNELS_MAX) return;
    const added = this.#found.add(channel, async () => {
      try {
        await this.#read(channel, guild, from);
      } catch (error) {
        // Most often the bot may not read there.
        this.#log.info({ channel, error }, 'what was missed in a channel of Discord cannot be read');
      } finally {
        this.#asking -= 1;
        this.#release();
      }
    });
    if (added) this.#asking += 1;
    else this.#position.lostAfter(from);
  }

  async #read(channel: string, guild: string | undefined, from: bigint): Promise<void> {
    let after = String(from);
    for (let read = 0; !this.#stopping.signal.aborted; read += PAGE) {
      if (read >= MESSAGES_MAX) {
        this.#log.warn({ channel, messages: MESSAGES_MAX }, 'more messages were missed in Discord than are read');
        return;
      }
      // The newest comes first.
      const page = (await this.#page(channel, after)).reverse();
      for (const message of page) await this.#found.message(message, guild);
      if (page.length < PAGE) return;
      after = page.at(-1)!.id;
    }
  }

  #page(channel: string, after: string): Promise<APIMessage[]> {
    const { signal } = this.#stopping;
    const query = new URLSearchParams({ after, limit: String(PAGE) });
    return patiently(signal, () =>
      this.#api.request<APIMessage[]>('GET', Routes.channelMessages(channel), { query, signal }),
    );
  }

  #release(): void {
    if (this.#asking > 0 || this.#servers.size > 0) return;
    this.#hold?.release();
    this.#hold = undefined;
  }
}
