/** Who people are and what channels are called: events name both by id only. */
import type { Logger } from 'pino';
import { ChannelError, type Sender } from '../adapter.ts';
import type { SlackApi } from './api.ts';
import { Lookup } from './lookup.ts';

/** How long a message waits for a name, in milliseconds: Slack gives 3 s for all of it. */
const WAIT_MS = 2_000;

/** A channel, private channel, DM or group DM. */
interface Place {
  readonly title: string | undefined;
  /** Whether the bot is in it, so that it may write there. */
  readonly member: boolean;
}

export class Directory {
  readonly #people: Lookup<Sender>;
  readonly #places: Lookup<Place>;
  readonly #log: Logger;
  #told = false;

  constructor(api: SlackApi, log: Logger) {
    this.#log = log;
    const failed = (error: unknown): void => this.#failed(error);
    this.#people = new Lookup((id) => askPerson(api, id), failed);
    this.#places = new Lookup((id) => askPlace(api, id), failed);
  }

  /** A person or bot; by its id where Slack does not tell the name. */
  async person(id: string): Promise<Sender> {
    return (await this.#people.get(id)) ?? { id, name: id, bot: false };
  }

  async title(channel: string): Promise<string | undefined> {
    return (await this.#places.get(channel))?.title;
  }

  /** False: the bot is known not to be there. */
  async isMember(channel: string): Promise<boolean> {
    const { member = true } = (await this.#places.get(channel)) ?? {};
    // It may be invited at once.
    if (!member) this.#places.forget(channel);
    return member;
  }

  /** A scope that is missing is missing for all: it is said once. */
  #failed(error: unknown): void {
    if (this.#told) return;
    this.#told = true;
    this.#log.warn({ error }, 'Slack does not tell names of people or channels: their ids are used');
  }
}

async function askPerson(api: SlackApi, id: string): Promise<Sender> {
  const { user } = await api.call('a name', AbortSignal.timeout(WAIT_MS), (web) => web.users.info({ user: id }), {
    repeatable: true,
  });
  const { name, real_name, profile, is_bot = false } = user ?? {};
  return { id, name: profile?.display_name || real_name || name || id, username: name, bot: is_bot };
}

async function askPlace(api: SlackApi, id: string): Promise<Place> {
  try {
    const { channel } = await api.call(
      'a channel',
      AbortSignal.timeout(WAIT_MS),
      (web) => web.conversations.info({ channel: id }),
      { repeatable: true },
    );
    const { name, is_im = false, is_mpim = false, is_member = false } = channel ?? {};
    const title = name === undefined || is_im ? undefined : is_mpim ? name : `#${name}`;
    return { title, member: is_im || is_member };
  } catch (error) {
    if (error instanceof ChannelError && error.kind === 'gone') return { title: undefined, member: false };
    throw error;
  }
}
