/** Interactions of the local Discord: slash commands and buttons, which want an answer within 3 s. */
import { callbackSchema, checked, refusal } from './discord-bodies.ts';
import type { DiscordGateway } from './discord-gateway.ts';
import { type Channel, type DiscordWorld, describeChannel, type Message, type User } from './discord-world.ts';

const ANSWER_MS = 3_000;
const EPHEMERAL = 64;

/** One interaction, and what whoever caused it sees. */
export class Interaction {
  readonly id: string;
  readonly token: string;
  readonly begun = Date.now();
  /** Whether the bot was shown to think. */
  deferred = false;
  /** Whether only whoever caused it sees the answer. */
  ephemeral = false;
  answered = false;
  readonly #text = Promise.withResolvers<string>();

  constructor(id: string) {
    this.id = id;
    this.token = `interaction-token-${id}-canary`;
  }

  /** The text of the answer, once there is one. */
  get text(): Promise<string> {
    return this.#text.promise;
  }

  show(text: string): void {
    this.#text.resolve(text);
  }
}

export class DiscordInteractions {
  readonly #world: DiscordWorld;
  readonly #gateway: DiscordGateway;
  readonly #open = new Map<string, Interaction>();

  constructor(world: DiscordWorld, gateway: DiscordGateway) {
    this.#world = world;
    this.#gateway = gateway;
  }

  /** A person gives a slash command. */
  command(channel: Channel, user: User, name: string, argument: string): Interaction {
    const options = argument === '' ? [] : [{ type: 3, name: 'argument', value: argument }];
    return this.#begin(channel, user, 2, { data: { id: this.#world.snowflake(), type: 1, name, options } });
  }

  /** A person presses a button. */
  press(channel: Channel, user: User, message: Message, customId: string): Interaction {
    return this.#begin(channel, user, 3, { message, data: { component_type: 2, custom_id: customId } });
  }

  /** Requests whose credential is the token of the interaction, in their path. */
  answer(method: string, path: string, payload: unknown): object | undefined {
    const [, id, token] = /^\/interactions\/(\d+)\/([^/]+)\/callback$/.exec(path) ?? [];
    if (method === 'POST' && id !== undefined) return this.#callback(this.#open.get(token ?? ''), payload);
    const [, original] = /^\/webhooks\/\d+\/([^/]+)\/messages\/@original$/.exec(path) ?? [];
    const interaction = this.#open.get(original ?? '');
    if (method !== 'PATCH' || !interaction) throw refusal(404, 10_015, 'Unknown Webhook');
    if (!interaction.answered) throw refusal(404, 10_008, 'Unknown Message');
    const content = (payload as { content: string }).content;
    interaction.show(content);
    return { id: this.#world.snowflake(), content };
  }

  #callback(interaction: Interaction | undefined, payload: unknown): undefined {
    if (!interaction || Date.now() - interaction.begun > ANSWER_MS) throw refusal(404, 10_062, 'Unknown interaction');
    if (interaction.answered) throw refusal(400, 40_060, 'Interaction has already been acknowledged.');
    const { type, data } = checked(callbackSchema, payload);
    interaction.answered = true;
    interaction.ephemeral = ((data.flags ?? 0) & EPHEMERAL) !== 0;
    interaction.deferred = type === 5;
    if (type === 4) interaction.show(data.content ?? '');
  }

  #begin(channel: Channel, user: User, type: number, more: object): Interaction {
    const interaction = new Interaction(this.#world.snowflake());
    this.#open.set(interaction.token, interaction);
    const { id, token } = interaction;
    const who =
      channel.guild_id === undefined ? { user } : { guild_id: channel.guild_id, member: { user, nick: null } };
    const base = { id, token, application_id: this.#world.application.id, version: 1, locale: 'en-US' };
    const place = { channel: describeChannel(channel), channel_id: channel.id };
    this.#gateway.dispatch('INTERACTION_CREATE', { ...base, type, ...place, ...who, ...more }, 0);
    return interaction;
  }
}
