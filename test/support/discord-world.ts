/** What there is at the local Discord: people, servers with channels and threads, DMs, messages. Knows no network. */

const EPOCH_MS = 1_420_070_400_000;

export interface User {
  id: string;
  username: string;
  global_name: string | null;
  bot?: boolean;
}

export interface Channel {
  id: string;
  /** 0: of a server, 1: DM, 11: thread. */
  type: 0 | 1 | 11;
  name?: string;
  guild_id?: string;
  parent_id?: string | null;
  recipients?: User[];
  last_message_id: string | null;
  /** What the bot may do there. */
  access: 'full' | 'read' | 'none' | 'blocked';
}

export interface Guild {
  id: string;
  name: string;
  /** The role that Discord made for the bot. */
  botRole: string;
}

export interface Attachment {
  id: string;
  filename: string;
  size: number;
  url: string;
  proxy_url: string;
  content_type: string;
}

export interface Component {
  type: number;
  components: { type: number; label: string; custom_id: string; style: number }[];
}

export interface Message {
  id: string;
  channel_id: string;
  guild_id?: string;
  member?: object;
  author: User;
  content: string;
  timestamp: string;
  edited_timestamp: string | null;
  type: number;
  mentions: User[];
  mention_roles: string[];
  mention_everyone: boolean;
  attachments: Attachment[];
  embeds: object[];
  components: Component[];
  nonce?: string;
  message_reference?: { message_id: string; channel_id: string; type: number };
  referenced_message?: Message | null;
  [more: string]: unknown;
}

/** How something is written. */
export interface Writing {
  attachments?: Attachment[];
  components?: Component[];
  repliesTo?: string | undefined;
  nonce?: string | undefined;
  /** Anything else of a message: embeds, webhook_id, type, … */
  more?: object;
}

export class DiscordWorld {
  readonly bot: User;
  readonly application = { id: '', flags: 0 };
  readonly guilds = new Map<string, Guild>();
  readonly channels = new Map<string, Channel>();
  readonly messages = new Map<string, Message[]>();
  readonly files = new Map<string, Uint8Array>();
  #increment = 0;

  constructor() {
    this.bot = { id: this.snowflake(), username: 'dhaavak', global_name: null, bot: true };
    this.application.id = this.bot.id;
  }

  /** An id of this moment. */
  snowflake(): string {
    this.#increment += 1;
    return String((BigInt(Date.now() - EPOCH_MS) << 22n) | BigInt(this.#increment % 4_096));
  }

  user(name: string, more: Partial<User> = {}): User {
    return { id: this.snowflake(), username: name.toLowerCase(), global_name: name, ...more };
  }

  guild(name: string): Guild {
    const guild = { id: this.snowflake(), name, botRole: this.snowflake() };
    this.guilds.set(guild.id, guild);
    return guild;
  }

  channel(guild: Guild, name: string): Channel {
    return this.#add({ type: 0, name, guild_id: guild.id, parent_id: null });
  }

  thread(parent: Channel, name: string): Channel {
    return this.#add({ type: 11, name, guild_id: parent.guild_id!, parent_id: parent.id });
  }

  dm(user: User): Channel {
    return this.#add({ type: 1, recipients: [user] });
  }

  /** A server as GUILD_CREATE and READY tell of it. */
  describeGuild(guild: Guild): object {
    const here = [...this.channels.values()].filter(({ guild_id }) => guild_id === guild.id);
    return {
      id: guild.id,
      name: guild.name,
      joined_at: new Date().toISOString(),
      large: false,
      member_count: 3,
      members: [],
      voice_states: [],
      presences: [],
      roles: [
        { id: guild.id, name: '@everyone', tags: {} },
        { id: guild.botRole, name: 'dhaavak', tags: { bot_id: this.bot.id } },
      ],
      channels: here.filter(({ type }) => type === 0).map(describeChannel),
      threads: here.filter(({ type }) => type === 11).map(describeChannel),
    };
  }

  write(channel: Channel, author: User, content: string, writing: Writing = {}): Message {
    const id = this.snowflake();
    const mentioned = [...content.matchAll(/<@!?(\d+)>/g)].map((match) => this.#userOf(match[1]!));
    const referenced = writing.repliesTo === undefined ? undefined : this.find(channel.id, writing.repliesTo);
    const message: Message = {
      id,
      channel_id: channel.id,
      author,
      content,
      timestamp: new Date(Number(BigInt(id) >> 22n) + EPOCH_MS).toISOString(),
      edited_timestamp: null,
      type: referenced ? 19 : 0,
      mentions: mentioned,
      mention_roles: [...content.matchAll(/<@&(\d+)>/g)].map((match) => match[1]!),
      mention_everyone: false,
      attachments: writing.attachments ?? [],
      embeds: [],
      components: writing.components ?? [],
      ...(writing.nonce === undefined ? {} : { nonce: writing.nonce }),
      ...(writing.repliesTo === undefined
        ? {}
        : {
            message_reference: { message_id: writing.repliesTo, channel_id: channel.id, type: 0 },
            referenced_message: referenced ?? null,
          }),
      ...writing.more,
    };
    this.of(channel.id).push(message);
    channel.last_message_id = id;
    return message;
  }

  of(channel: string): Message[] {
    let messages = this.messages.get(channel);
    if (!messages) {
      messages = [];
      this.messages.set(channel, messages);
    }
    return messages;
  }

  find(channel: string, id: string): Message | undefined {
    return this.of(channel).find((message) => message.id === id);
  }

  #add(channel: Omit<Channel, 'id' | 'last_message_id' | 'access'>): Channel {
    const added: Channel = { id: this.snowflake(), last_message_id: null, access: 'full', ...channel };
    this.channels.set(added.id, added);
    return added;
  }

  #userOf(id: string): User {
    return id === this.bot.id ? this.bot : { id, username: `user${id.slice(-3)}`, global_name: `User ${id.slice(-3)}` };
  }
}

/** A channel as Discord shows it. */
export function describeChannel({ access: _, ...channel }: Channel): object {
  return channel;
}
