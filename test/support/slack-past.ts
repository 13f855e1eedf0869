/**
 * What the local Slack tells a bot of the past: its conversations, what was said in them and in their threads, page by
 * page, the newest first (of threads the oldest), as much a minute as the real one gives.
 *
 * @see https://docs.slack.dev/reference/methods/conversations.history
 */
import { type Fields, Refusal } from './slack-refusal.ts';
import { type Channel, describeFile, type Message, type SlackWorld } from './slack-world.ts';

export const PAST_METHODS = new Set(['users.conversations', 'conversations.history', 'conversations.replies']);
/** The scopes of each kind begin with it. */
const SCOPES: Readonly<Record<Channel['kind'], string>> = {
  channel: 'channels',
  group: 'groups',
  im: 'im',
  mpim: 'mpim',
};
const TYPES: Readonly<Record<string, Channel['kind']>> = {
  public_channel: 'channel',
  private_channel: 'group',
  im: 'im',
  mpim: 'mpim',
};
const LIMIT_MAX = 999;

export class SlackPast {
  readonly #world: SlackWorld;
  readonly #scopes: ReadonlySet<string>;
  /** Messages of one answer at most, however many are asked for. */
  pageMax = LIMIT_MAX;
  /** How many questions of a method are answered in how long. */
  rate: { calls: number; perMs: number } | undefined;
  /** Questions that were asked though the time to wait was not over. */
  impatient = 0;
  readonly #asked = new Map<string, number[]>();
  readonly #closedUntil = new Map<string, number>();

  constructor(world: SlackWorld, scopes: ReadonlySet<string>) {
    this.#world = world;
    this.#scopes = scopes;
  }

  /** Throws a Refusal. */
  call(method: string, fields: Fields): object {
    this.#count(method);
    if (method === 'users.conversations') return this.#conversations(fields);
    const channel = this.#channel(fields.channel);
    return method === 'conversations.replies' ? this.#replies(channel, fields) : this.#history(channel, fields);
  }

  #count(method: string): void {
    if (this.rate === undefined) return;
    const now = Date.now();
    if (now < (this.#closedUntil.get(method) ?? 0)) this.impatient += 1;
    const { calls, perMs } = this.rate;
    const asked = (this.#asked.get(method) ?? []).filter((at) => at > now - perMs);
    this.#asked.set(method, asked);
    if (asked.length < calls) {
      asked.push(now);
      return;
    }
    const seconds = Math.ceil((asked[0]! + perMs - now) / 1_000);
    this.#closedUntil.set(method, now + seconds * 1_000);
    throw new Refusal('ratelimited', {}, 429, { 'retry-after': String(seconds) });
  }

  #need(scope: string): void {
    if (this.#scopes.has(scope)) return;
    throw new Refusal('missing_scope', { needed: scope, provided: [...this.#scopes].join(',') });
  }

  /** A public channel may be read from outside by nobody who is a bot. */
  #channel(id = ''): Channel {
    const channel = this.#world.channels.get(id);
    if (!channel || (!channel.member && channel.kind !== 'channel')) throw new Refusal('channel_not_found');
    this.#need(`${SCOPES[channel.kind]}:history`);
    if (!channel.member) throw new Refusal('not_in_channel');
    return channel;
  }

  #conversations({ types = 'public_channel', exclude_archived, cursor, limit }: Fields): object {
    const kinds = types.split(',').map((type) => TYPES[type]);
    for (const kind of kinds) {
      if (kind === undefined) throw new Refusal('invalid_types');
      this.#need(`${SCOPES[kind]}:read`);
    }
    const wanted = [...this.#world.channels.values()].filter(
      ({ kind, member, archived }) => kinds.includes(kind) && member && !(archived && exclude_archived === 'true'),
    );
    const { page, more } = this.#page(wanted, cursor, limit);
    return { channels: page.map(({ id, kind }) => ({ id, is_im: kind === 'im' })), ...more };
  }

  #history(channel: Channel, { oldest = '0', cursor, limit }: Fields): object {
    const said = this.#world.messages.filter(
      ({ channel: id, ts, thread_ts }) =>
        id === channel.id && (thread_ts === undefined || thread_ts === ts) && Number(ts) > Number(oldest),
    );
    const { page, more } = this.#page(said.toReversed(), cursor, limit);
    return { messages: page.map((message) => this.#describe(message)), has_more: 'response_metadata' in more, ...more };
  }

  #replies(channel: Channel, { ts, oldest = '0', cursor, limit }: Fields): object {
    const root = this.#world.find(channel.id, ts);
    if (!root) throw new Refusal('thread_not_found');
    const said = this.#repliesTo(root).filter((message) => Number(message.ts) > Number(oldest));
    const { page, more } = this.#page(said, cursor, limit);
    const messages = [root, ...page].map((message) => this.#describe(message));
    return { messages, has_more: 'response_metadata' in more, ...more };
  }

  #repliesTo({ channel, ts }: Message): Message[] {
    return this.#world.messages.filter((message) => message.channel === channel && message.thread_ts === ts);
  }

  #page<T>(items: readonly T[], cursor: string | undefined, limit = '100') {
    const from = cursor === undefined ? 0 : Number(Buffer.from(cursor, 'base64').toString());
    if (!(Number(limit) >= 1 && Number(limit) <= LIMIT_MAX)) throw new Refusal('invalid_limit');
    const to = from + Math.min(Number(limit), this.pageMax);
    const next_cursor = Buffer.from(String(to)).toString('base64');
    return { page: items.slice(from, to), more: to < items.length ? { response_metadata: { next_cursor } } : {} };
  }

  #describe(message: Message): object {
    const { ts, user, bot_id, text, thread_ts, files } = message;
    const replies = this.#repliesTo(message);
    const parent = this.#world.find(message.channel, thread_ts);
    return {
      type: 'message',
      ts,
      user,
      text,
      ...(bot_id === undefined ? {} : { bot_id }),
      ...(files.length === 0 ? {} : { files: files.map((file) => describeFile(file)) }),
      ...(thread_ts === undefined ? {} : { thread_ts, parent_user_id: parent?.user }),
      ...(replies.length === 0 ? {} : { thread_ts: ts, reply_count: replies.length, latest_reply: replies.at(-1)!.ts }),
    };
  }
}
