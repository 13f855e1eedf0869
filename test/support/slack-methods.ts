/**
 * The methods of the local Slack's Web API, with what the real ones check.
 *
 * @see https://docs.slack.dev/reference/methods
 */
import { z } from 'zod';
import { PAST_METHODS, SlackPast } from './slack-past.ts';
import { type Fields, Refusal } from './slack-refusal.ts';
import { type Block, type Channel, describeFile, type SlackWorld, type StoredFile } from './slack-world.ts';

const SCOPES: Readonly<Record<string, string>> = {
  'chat.postMessage': 'chat:write',
  'chat.update': 'chat:write',
  'users.info': 'users:read',
  'conversations.info': 'channels:read',
  'conversations.open': 'im:write',
  'files.info': 'files:read',
  'files.getUploadURLExternal': 'files:write',
  'files.completeUploadExternal': 'files:write',
};
const KINDS = ['channels', 'groups', 'im', 'mpim'];
const ALL_SCOPES = [
  ...Object.values(SCOPES),
  ...KINDS.flatMap((kind) => [`${kind}:read`, `${kind}:history`]),
  'commands',
  'app_mentions:read',
];
/** What Slack counts of `chat.update`: bytes, after escaping. */
const UPDATE_BYTES_MAX = 4_000;
const POST_LENGTH_MAX = 40_000;
const BLOCKS_LENGTH_MAX = 13_000;

const textSchema = z.strictObject({ type: z.enum(['mrkdwn', 'plain_text']), text: z.string().min(1).max(3_000) });
const buttonSchema = z.strictObject({
  type: z.literal('button'),
  action_id: z.string().min(1).max(255),
  text: z.strictObject({ type: z.literal('plain_text'), text: z.string().min(1).max(75) }),
  value: z.string().max(2_000),
  style: z.enum(['primary', 'danger']).optional(),
});
const blocksSchema = z
  .array(
    z.discriminatedUnion('type', [
      z.strictObject({ type: z.literal('section'), text: textSchema, expand: z.boolean().optional() }),
      z.strictObject({ type: z.literal('actions'), elements: z.array(buttonSchema).min(1).max(25) }),
    ]),
  )
  .max(50);

export class SlackMethods {
  readonly #world: SlackWorld;
  readonly #root: () => string;
  /** What the bot token may. */
  readonly scopes = new Set(ALL_SCOPES);
  readonly past: SlackPast;
  /** What was posted, refused or not. */
  readonly posted: Fields[] = [];
  readonly updated: Fields[] = [];
  /** Looks at a new file that are in vain, before it says where it was shared. */
  looksInVain = 1;

  constructor(world: SlackWorld, root: () => string) {
    this.#world = world;
    this.#root = root;
    this.past = new SlackPast(world, this.scopes);
  }

  /** What a method answers a bot. Throws a Refusal. */
  call(method: string, fields: Fields): object {
    const needed = SCOPES[method];
    if (needed !== undefined && !this.scopes.has(needed)) {
      throw new Refusal('missing_scope', { needed, provided: [...this.scopes].join(',') });
    }
    if (PAST_METHODS.has(method)) return this.past.call(method, fields);
    switch (method) {
      case 'auth.test':
        return this.#authTest();
      case 'users.info':
        return this.#userInfo(fields);
      case 'conversations.info':
        return { channel: describe(this.#channel(fields.channel, { reading: true })) };
      case 'conversations.open':
        return this.#open(fields);
      case 'chat.postMessage':
        return this.#post(fields);
      case 'chat.update':
        return this.#update(fields);
      case 'files.getUploadURLExternal':
        return this.#uploadUrl(fields);
      case 'files.completeUploadExternal':
        return this.#complete(fields);
      case 'files.info':
        return this.#fileInfo(fields);
      default:
        throw new Refusal('unknown_method', { req_method: method });
    }
  }

  #authTest(): object {
    const { team, bot, botId } = this.#world;
    return {
      url: 'https://kitchen.slack.com/',
      team: team.name,
      user: bot.name,
      team_id: team.id,
      user_id: bot.id,
      bot_id: botId,
      is_enterprise_install: false,
    };
  }

  #userInfo({ user: id = '' }: Fields): object {
    const user = this.#world.users.get(id);
    if (!user) throw new Refusal('user_not_found');
    const { name, real_name, display_name, is_bot } = user;
    return { user: { id, name, real_name, is_bot, profile: { display_name, real_name } } };
  }

  #open({ users = '' }: Fields): object {
    const user = this.#world.users.get(users);
    if (!user) throw new Refusal('user_not_found');
    const known = [...this.#world.channels.values()].find(({ kind, name }) => kind === 'im' && name === user.id);
    return { channel: { id: (known ?? this.#world.channel(user.id, 'im')).id } };
  }

  /** A channel the bot may use in this way. A private one it is not in does not exist for it. */
  #channel(id = '', { reading = false } = {}): Channel {
    const channel = this.#world.channels.get(id);
    if (!channel || (!channel.member && channel.kind !== 'channel')) throw new Refusal('channel_not_found');
    if (!reading && channel.archived) throw new Refusal('is_archived');
    if (!reading && !channel.member) throw new Refusal('not_in_channel');
    return channel;
  }

  #thread(channel: Channel, thread_ts: string | undefined): string | undefined {
    if (thread_ts === undefined || /^\d+\.\d{6}$/.test(thread_ts)) return thread_ts;
    throw new Refusal('invalid_thread_ts', { channel: channel.id });
  }

  #post(fields: Fields): object {
    this.posted.push(fields);
    const channel = this.#channel(fields.channel);
    const { text = '' } = fields;
    const blocks = this.#blocks(fields.blocks);
    if (text === '' && blocks.length === 0) throw new Refusal('no_text');
    if (text.length > POST_LENGTH_MAX) throw new Refusal('msg_too_long');
    const { bot, botId } = this.#world;
    const thread_ts = this.#thread(channel, fields.thread_ts);
    const { ts } = this.#world.write(channel, { user: bot.id, bot_id: botId, text, blocks, thread_ts });
    return { channel: channel.id, ts, message: { type: 'message', text, ts, user: bot.id } };
  }

  #update(fields: Fields): object {
    this.updated.push(fields);
    const channel = this.#channel(fields.channel);
    const message = this.#world.find(channel.id, fields.ts);
    if (!message) throw new Refusal('message_not_found');
    if (message.user !== this.#world.bot.id) throw new Refusal('cant_update_message');
    const { text = '' } = fields;
    if (Buffer.byteLength(text) > UPDATE_BYTES_MAX) throw new Refusal('msg_too_long');
    const blocks = this.#blocks(fields.blocks);
    if (text === '' && blocks.length === 0) throw new Refusal('no_text');
    Object.assign(message, { text, blocks });
    return { channel: channel.id, ts: message.ts, text };
  }

  #blocks(json: string | undefined): Block[] {
    if (json === undefined) return [];
    const { success, data, error } = blocksSchema.safeParse(JSON.parse(json));
    if (!success) {
      const messages = error.issues.map(({ path, message }) => `[ERROR] ${message} [json-pointer:/${path.join('/')}]`);
      throw new Refusal('invalid_blocks', { response_metadata: { messages } });
    }
    if (JSON.stringify(data).length > BLOCKS_LENGTH_MAX * 2) throw new Refusal('msg_blocks_too_long');
    const length = data.reduce((sum, block) => sum + (block.type === 'section' ? block.text.text.length : 0), 0);
    if (length > BLOCKS_LENGTH_MAX) throw new Refusal('msg_blocks_too_long');
    const actions = data.flatMap((block) => (block.type === 'actions' ? block.elements : []));
    if (new Set(actions.map(({ action_id }) => action_id)).size < actions.length) throw new Refusal('invalid_blocks');
    return data;
  }

  #uploadUrl({ filename = '', length = '' }: Fields): object {
    if (filename === '' || !(Number(length) > 0)) throw new Refusal('invalid_arguments');
    const file = this.#world.file(filename, mediaTypeOf(filename), new Uint8Array(0), this.#root(), Number(length));
    return { upload_url: `${this.#root()}/upload/v1/${file.id}`, file_id: file.id };
  }

  /** Takes what was uploaded. Throws a Refusal. */
  upload(id: string, data: Uint8Array): void {
    const file = this.#world.files.get(id);
    if (!file || data.length !== file.size) throw new Refusal('invalid_upload', {}, 400);
    file.data = data;
  }

  #complete(fields: Fields): object {
    this.posted.push(fields);
    const channel = this.#channel(fields.channel_id);
    const files = z
      .array(z.object({ id: z.string(), title: z.string().optional() }))
      .parse(JSON.parse(fields.files ?? ''));
    const stored = files.map(({ id }) => this.#world.files.get(id));
    if (stored.some((file) => !file || file.data.length === 0)) throw new Refusal('file_not_found');
    // With a comment, blocks are passed over.
    const { initial_comment: text = '' } = fields;
    const blocks = text === '' ? this.#blocks(fields.blocks) : [];
    const { bot, botId } = this.#world;
    const thread_ts = this.#thread(channel, fields.thread_ts);
    const kept = stored as StoredFile[];
    const { ts } = this.#world.write(channel, { user: bot.id, bot_id: botId, text, blocks, thread_ts, files: kept });
    for (const file of kept) file.shares.set(channel.id, ts);
    return { files };
  }

  #fileInfo({ file: id = '' }: Fields): object {
    const file = this.#world.files.get(id);
    if (!file) throw new Refusal('file_not_found');
    file.looks += 1;
    return { file: describeFile(file, file.looks > this.looksInVain) };
  }
}

function describe({ id, kind, name, member, archived }: Channel): object {
  const is_im = kind === 'im';
  return {
    id,
    ...(is_im ? { user: name } : { name }),
    is_im,
    is_mpim: kind === 'mpim',
    is_channel: kind === 'channel',
    is_archived: archived,
    is_member: is_im ? undefined : member,
  };
}

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  jpg: 'image/jpeg',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  pdf: 'application/pdf',
};

function mediaTypeOf(name: string): string {
  return MEDIA_TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
}
