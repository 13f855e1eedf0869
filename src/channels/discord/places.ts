/** What is known of channels and servers: names, which are threads and of which channel, and the bot's role. */
import {
  type APIChannel,
  type APIRole,
  ChannelType,
  GatewayDispatchEvents,
  type GatewayDispatchPayload,
  type GatewayGuildCreateDispatchData,
  Routes,
} from 'discord-api-types/v10';
import type { Surroundings } from '../adapter.ts';
import type { Api } from './api.ts';

/** Channels that are remembered; others are asked for when something comes from them. A name has 100 characters. */
const PLACES_MAX = 10_000;
const THREADS = new Set([ChannelType.PublicThread, ChannelType.PrivateThread, ChannelType.AnnouncementThread]);

/** One channel of a server. */
interface Place {
  readonly name: string | undefined;
  /** The channel it is a thread of. */
  readonly parent: string | undefined;
}

/** What is used of a channel. */
type ChannelNews = Pick<APIChannel, 'id' | 'type'> & { name?: string | null; parent_id?: string | null | undefined };

export class Places {
  readonly #api: Api;
  readonly #places = new Map<string, Place>();
  /** The role that Discord made for the bot, by server. */
  readonly #roles = new Map<string, string>();

  constructor(api: Api) {
    this.#api = api;
  }

  /** Takes in what an event of the gateway tells. `bot` is the user id of the bot. */
  learn({ t: type, d: data }: GatewayDispatchPayload, bot: string): void {
    switch (type) {
      case GatewayDispatchEvents.GuildCreate:
        if (!data.unavailable) this.#guild(data, bot);
        break;
      case GatewayDispatchEvents.GuildDelete:
        this.#roles.delete(data.id);
        break;
      case GatewayDispatchEvents.GuildRoleCreate:
      case GatewayDispatchEvents.GuildRoleUpdate:
        this.#role(data.guild_id, data.role, bot);
        break;
      case GatewayDispatchEvents.ChannelCreate:
      case GatewayDispatchEvents.ChannelUpdate:
      case GatewayDispatchEvents.ThreadCreate:
      case GatewayDispatchEvents.ThreadUpdate:
        this.#channel(data);
        break;
      case GatewayDispatchEvents.ThreadListSync:
        for (const thread of data.threads) this.#channel(thread);
        break;
      case GatewayDispatchEvents.ChannelDelete:
      case GatewayDispatchEvents.ThreadDelete:
        this.#places.delete(data.id);
        break;
    }
  }

  /** The role whose mention is one of the bot. */
  roleOf(guild: string | undefined): string | undefined {
    return guild === undefined ? undefined : this.#roles.get(guild);
  }

  nameOf(id: string): string | undefined {
    return this.#places.get(id)?.name;
  }

  /** What is around a channel. Asks Discord when it is unknown, and goes without when that fails. */
  async surroundings(id: string, guild: string | undefined): Promise<Surroundings> {
    if (guild === undefined) return {};
    const place = this.#places.get(id) ?? (await this.#ask(id));
    const { name, parent } = place ?? {};
    return { guild, parent, title: name === undefined || parent !== undefined ? name : `#${name}` };
  }

  #guild({ id, roles, channels, threads }: GatewayGuildCreateDispatchData, bot: string): void {
    for (const role of roles) this.#role(id, role, bot);
    for (const channel of [...channels, ...threads]) this.#channel(channel);
  }

  #role(guild: string, role: APIRole, bot: string): void {
    if (role.tags?.bot_id === bot) this.#roles.set(guild, role.id);
  }

  #channel(channel: ChannelNews): Place {
    const thread = THREADS.has(channel.type);
    const place = { name: channel.name ?? undefined, parent: (thread && channel.parent_id) || undefined };
    this.#places.delete(channel.id);
    this.#places.set(channel.id, place);
    if (this.#places.size > PLACES_MAX) this.#places.delete(this.#places.keys().next().value!);
    return place;
  }

  async #ask(id: string): Promise<Place | undefined> {
    try {
      return this.#channel(await this.#api.request<APIChannel>('GET', Routes.channel(id)));
    } catch {
      return undefined;
    }
  }
}
