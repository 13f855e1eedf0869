/** One bot that is connected: what becomes of the events of the gateway. */
import {
  type APIChatInputApplicationCommandInteraction,
  type APIInteraction,
  type APIMessage,
  type APIUser,
  ApplicationCommandType,
  GatewayDispatchEvents,
  type GatewayDispatchPayload,
  type GatewayMessageCreateDispatchData,
  type GatewayReadyDispatchData,
  InteractionType,
  Routes,
} from 'discord-api-types/v10';
import type { Account } from '../../config/channels.ts';
import type { AdapterContext, AdapterEvents, ChannelState, InboundMessage } from '../adapter.ts';
import { type Numbering, Position } from '../position.ts';
import { Api } from './api.ts';
import { CatchUp } from './catch-up.ts';
import { answerInteraction, registerCommands } from './commands.ts';
import { Connection } from './connect.ts';
import { Inbox } from './inbox.ts';
import { type DiscordMessage, inboundCommand, inboundMessage, inboundPress, isSaid } from './normalize.ts';
import { Places } from './places.ts';

/** What whoever gave a slash command is shown; the answer is a message in the channel. */
const TAKEN = 'Taken; the answer follows here.';
const NOT_TAKEN = 'This could not be taken. Please try again in a while.';
/** The first moment of Discord's ids, in milliseconds since the epoch. */
const SNOWFLAKES_EPOCH_MS = 1_420_070_400_000;
const SNOWFLAKES: Numbering = {
  platform: 'Discord',
  numberOf: BigInt,
  at: (ms) => BigInt(ms - SNOWFLAKES_EPOCH_MS) << 22n,
};

export class Bot {
  readonly api: Api;
  readonly #events: AdapterEvents;
  readonly #connection: Connection;
  readonly #inbox: Inbox;
  readonly #places: Places;
  readonly #position: Position;
  readonly #catchUp: CatchUp;
  /** Its user id. */
  #id = '';
  #opened = false;
  #registered = false;
  #loggedOut = false;

  constructor({ token, apiUrl }: Account<'discord'>, { folder, signal, log }: AdapterContext, events: AdapterEvents) {
    this.#events = events;
    this.api = new Api(token, apiUrl, signal, (error) => {
      // Before, `open` throws it.
      if (this.#opened) this.#state('logged-out', error.message);
      void this.#connection.close();
    });
    const listener = {
      state: (state: ChannelState, reason?: string) => this.#state(state, reason),
      alive: () => events.alive(),
      ready: (data: GatewayReadyDispatchData) => this.#ready(data),
      dispatch: (payload: GatewayDispatchPayload) => this.#dispatch(payload),
    };
    this.#connection = new Connection(this.api, listener, events.log);
    this.#inbox = new Inbox(events);
    this.#places = new Places(this.api);
    this.#position = new Position(folder, SNOWFLAKES, log);
    const found = {
      add: (channel: string, work: () => Promise<void>) => this.#inbox.add(channel, work),
      message: (message: APIMessage, guild: string | undefined) => this.#missed(message, guild),
    };
    this.#catchUp = new CatchUp(this.api, this.#position, found, log);
  }

  /** See `Adapter.start`. */
  async open(): Promise<void> {
    const { id } = await this.api.request<APIUser>('GET', Routes.user());
    this.#id = id;
    await this.#position.load(id);
    await this.#connection.open();
    this.#opened = true;
  }

  /** See `Adapter.stop`. */
  async close(): Promise<void> {
    this.#inbox.stop();
    this.#catchUp.stop();
    await this.#connection.close();
    await this.#position.close();
    this.api.close();
  }

  /** Once logged out, it is: the API and the gateway both say so. */
  #state(state: ChannelState, reason?: string): void {
    if (this.#loggedOut) return;
    this.#loggedOut = state === 'logged-out';
    this.#events.state(state, reason);
  }

  #ready({ guilds, application }: GatewayReadyDispatchData): void {
    this.#catchUp.begin(guilds.map(({ id }) => id));
    if (this.#registered) return;
    this.#registered = true;
    registerCommands(this.api, application.id).catch((error: unknown) =>
      this.#events.log.warn({ error }, 'the slash commands could not be registered at Discord'),
    );
  }

  #dispatch(payload: GatewayDispatchPayload): void {
    if (payload.t === GatewayDispatchEvents.MessageCreate) this.#message(payload.d);
    else if (payload.t === GatewayDispatchEvents.InteractionCreate) this.#interaction(payload.d);
    else this.#places.learn(payload, this.#id);
    if (payload.t === GatewayDispatchEvents.GuildCreate && !payload.d.unavailable) this.#catchUp.server(payload.d);
  }

  #message(message: GatewayMessageCreateDispatchData): void {
    const { id, channel_id: channel, guild_id: guild } = message;
    if (!isSaid(message, this.#id) || !this.#position.begin(id)) return;
    // Of channels a server tells; no list of DMs can be had from Discord.
    if (guild === undefined) this.#position.place(channel);
    if (!this.#inbox.add(channel, () => this.#keep(message, guild))) this.#position.lost(id);
  }

  /** A message of the past, in the line of its channel already. */
  async #missed(message: APIMessage, guild: string | undefined): Promise<void> {
    if (isSaid(message, this.#id) && this.#position.begin(message.id)) await this.#keep(message, guild);
  }

  async #keep(message: DiscordMessage, guild: string | undefined): Promise<void> {
    let kept = true;
    try {
      kept = await this.#inbox.keep(await this.#read(message, guild));
    } finally {
      // One that cannot be read will not be readable later.
      if (kept) this.#position.kept(message.id);
      else this.#position.lost(message.id);
    }
  }

  async #read(message: DiscordMessage, guild: string | undefined): Promise<InboundMessage> {
    return inboundMessage(guild === undefined ? message : { ...message, guild_id: guild }, {
      bot: this.#id,
      role: this.#places.roleOf(guild),
      surroundings: await this.#places.surroundings(message.channel_id, guild),
      nameOf: (channel) => this.#places.nameOf(channel),
    });
  }

  #interaction(interaction: APIInteraction): void {
    if (interaction.type === InteractionType.MessageComponent) {
      const shown = this.#events.press(inboundPress(interaction));
      // Discord takes no empty answer, and shows a failure without one.
      this.#answer(
        interaction,
        shown.then((text) => text || '✓'),
      );
    } else if (isCommand(interaction)) {
      this.#answer(interaction, this.#command(interaction));
    }
  }

  #command(interaction: APIChatInputApplicationCommandInteraction): Promise<string> {
    const { channel, guild_id: guild } = interaction;
    if (guild === undefined) this.#position.place(channel.id);
    const { promise, resolve } = Promise.withResolvers<string>();
    const added = this.#inbox.add(channel.id, async () => {
      const surroundings = await this.#places.surroundings(channel.id, guild);
      const kept = await this.#inbox.keep(inboundCommand(interaction, surroundings));
      resolve(kept ? TAKEN : NOT_TAKEN);
    });
    if (!added) resolve(NOT_TAKEN);
    return promise;
  }

  #answer(interaction: APIInteraction, text: Promise<string>): void {
    answerInteraction(this.api, interaction, text).catch((error: Error) =>
      this.#events.log.warn({ reason: error.message }, 'an interaction of Discord could not be answered'),
    );
  }
}

function isCommand(interaction: APIInteraction): interaction is APIChatInputApplicationCommandInteraction {
  const { type, data } = interaction;
  return type === InteractionType.ApplicationCommand && data.type === ApplicationCommandType.ChatInput;
}
