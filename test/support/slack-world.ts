/** What there is at the local Slack: a workspace with people, channels, DMs, messages, files. Knows no network. */

export interface User {
  id: string;
  name: string;
  real_name: string;
  display_name: string;
  is_bot: boolean;
}

export interface Channel {
  id: string;
  kind: 'channel' | 'group' | 'im' | 'mpim';
  name: string;
  /** Whether the bot is in it. */
  member: boolean;
  archived: boolean;
}

export interface Block {
  type: string;
  text?: { type: string; text: string } | undefined;
  elements?: { type: string; action_id: string; value: string; text: { text: string }; style?: string | undefined }[];
}

export interface StoredFile {
  id: string;
  name: string;
  mimetype: string;
  size: number;
  data: Uint8Array;
  url_private: string;
  mode: string;
  file_access?: string;
  /** Where it is to be seen, by channel: a while after it was shared. */
  shares: Map<string, string>;
  looks: number;
}

export interface Message {
  ts: string;
  channel: string;
  user?: string | undefined;
  bot_id?: string | undefined;
  text: string;
  thread_ts?: string | undefined;
  blocks: Block[];
  files: StoredFile[];
}

export class SlackWorld {
  readonly team = { id: 'T0DHAAVAK', name: 'Kitchen' };
  readonly users = new Map<string, User>();
  readonly channels = new Map<string, Channel>();
  readonly messages: Message[] = [];
  readonly files = new Map<string, StoredFile>();
  readonly bot: User;
  readonly botId = 'B0DHAAVAK';
  #count = 0;
  #clock = Math.floor(Date.now() / 1_000);

  constructor() {
    this.bot = this.user('dhaavak', { is_bot: true });
  }

  /** An id as Slack's: a letter for what it is, then capitals and digits. */
  id(letter: string): string {
    this.#count += 1;
    return `${letter}0${this.#count.toString(36).toUpperCase().padStart(8, '0')}`;
  }

  /** The time of a message, which is its id in its channel. */
  ts(): string {
    this.#count += 1;
    if (this.#count % 10 === 0) this.#clock += 1;
    return `${this.#clock}.${String(this.#count).padStart(6, '0')}`;
  }

  /** So much later, or earlier. */
  pass(seconds: number): void {
    this.#clock += seconds;
  }

  user(name: string, more: Partial<User> = {}): User {
    const user = {
      id: this.id('U'),
      name: name.toLowerCase(),
      real_name: `${name} Rao`,
      display_name: name,
      is_bot: false,
    };
    const made = { ...user, ...more };
    this.users.set(made.id, made);
    return made;
  }

  channel(name: string, kind: Channel['kind'] = 'channel'): Channel {
    const letter = kind === 'im' ? 'D' : kind === 'channel' ? 'C' : 'G';
    const made = { id: this.id(letter), kind, name, member: true, archived: false };
    this.channels.set(made.id, made);
    return made;
  }

  file(name: string, mimetype: string, data: Uint8Array, root: string, size = data.length): StoredFile {
    const id = this.id('F');
    const url_private = `${root}/files-pri/${this.team.id}-${id}/${encodeURIComponent(name)}`;
    const made = { id, name, mimetype, size, data, url_private, mode: 'hosted', shares: new Map(), looks: 0 };
    this.files.set(id, made);
    return made;
  }

  write(channel: Channel, message: Partial<Message>): Message {
    const made = { ts: this.ts(), channel: channel.id, text: '', blocks: [], files: [], ...message };
    this.messages.push(made);
    return made;
  }

  find(channel: string, ts: string | undefined): Message | undefined {
    return this.messages.find((message) => message.channel === channel && message.ts === ts);
  }
}

/** A file as events and `files.info` show it. */
export function describeFile({ data: _, shares, looks: __, ...file }: StoredFile, withShares = false): object {
  if (!withShares) return file;
  return { ...file, shares: { public: Object.fromEntries([...shares].map(([id, ts]) => [id, [{ ts }]])) } };
}
