/** What becomes of a message from a platform: looked for among those that are known, let in or not, given to its session. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { InboundMessage } from '../../src/channels/adapter.ts';
import type { ChannelReplies, ChannelRequests } from '../../src/channels/requests.ts';
import type { ShardClient } from '../../src/channels/shard-client.ts';
import type { Place } from '../../src/inbound/place.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { MessageOrigin } from '../../src/protocol/messages.ts';
import type { Store } from '../../src/storage/store.ts';
import type { Account } from './account.ts';
import { loadFiles } from './attachments.ts';
import type { Asked, Runs } from './runs.ts';

/** Times a session is asked to take a message before the platform is left to deliver it again. */
const TRIES_MAX = 5;
const RETRY_MS = 200;
/** Longest text of one message that is passed on, in UTF-16 code units: several times what any platform allows. */
const TEXT_LENGTH_MAX = 65_536;
const NAME_LENGTH_MAX = 64;

export interface InboundParts {
  account: Account;
  place: Place;
  store: Pick<Store, 'keys'>;
  shards: Pick<ShardClient, 'request'>;
  runs: Runs;
  /** How the run that answers is shown. */
  asked(origin: MessageOrigin): Asked;
  log: Logger;
}

export class Inbound {
  readonly #parts: InboundParts;
  /** The last message of each chat that is being worked on: those after it wait. */
  readonly #chats = new Map<string, Promise<void>>();

  constructor(parts: InboundParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when the message is on the disk, or will never be wanted. Rejects when it could not be kept now. Messages of
   * one chat are taken in order.
   */
  async take(message: InboundMessage, signal: AbortSignal): Promise<void> {
    const chat = `${message.chat.id}/${message.chat.thread ?? ''}`;
    const before = this.#chats.get(chat) ?? Promise.resolve();
    const taken = before.catch(() => {}).then(() => this.#take(message, signal));
    this.#chats.set(chat, taken);
    try {
      await taken;
    } finally {
      if (this.#chats.get(chat) === taken) this.#chats.delete(chat);
    }
  }

  async #take(message: InboundMessage, signal: AbortSignal): Promise<void> {
    const { account, store, place, log } = this.#parts;
    signal.throwIfAborted();
    let session: string;
    try {
      session = place(account.settings, message);
    } catch (error) {
      log.error({ error, update: message.update }, 'a message has no session and is left out');
      return;
    }
    const key = `${account.key}:${message.update}`;
    if (store.keys.doesExist([session, key])) return;
    if (!isLetIn(account, message)) return;
    const { images, notes } = await loadFiles(message.attachments, signal);
    const said = [message.text, ...notes]
      .filter((line) => line !== '')
      .join('\n')
      .slice(0, TEXT_LENGTH_MAX);
    if (said === '' && images.length === 0) return;
    await this.#send(session, {
      said,
      before: message.chat.type === 'group' ? `${nameOf(message)}: ` : '',
      images,
      origin: originOf(account, message),
      keys: [key],
      mayChange: message.chat.type === 'dm' || isNamed(account.settings.settings.admins, message),
    });
  }

  /** Gives the message to its session; more than once, where that may help: its key makes it one message. */
  async #send(session: string, request: ChannelRequests['channel.message']): Promise<void> {
    const { account, shards, runs, log } = this.#parts;
    for (let tries = 1; ; tries++) {
      runs.expect(session);
      let followed = false;
      const onReply = ({ message, duplicate, command }: ChannelReplies['channel.message']): void => {
        followed = true;
        const needsRun = duplicate === undefined && command === undefined;
        if (duplicate === undefined) account.count('received');
        runs.follow(session, needsRun ? message : undefined, this.#parts.asked(request.origin));
      };
      try {
        await shards.request('channel.message', session, request, onReply);
        return;
      } catch (error) {
        if (!followed) runs.follow(session, undefined, this.#parts.asked(request.origin));
        if (!(error instanceof DhaavakError)) throw error;
        if (error.code === 'invalid_request' && request.images.length > 0) {
          request = { ...request, said: `${request.said}\n[image: it cannot be read]`.trim(), images: [] };
        } else if (!error.retryable) {
          // The same again would be refused again.
          log.error({ error, session }, 'a message was refused and is left out');
          return;
        } else if (tries >= TRIES_MAX) throw error;
        await pause(RETRY_MS * 2 ** tries);
      }
    }
  }
}

function originOf({ settings }: Account, { chat, message, sender }: InboundMessage): MessageOrigin {
  const { id, type, thread } = chat;
  return {
    channel: settings.platform,
    account: settings.account,
    chat: { id, type, ...(thread === undefined ? {} : { thread }) },
    message,
    sender: { id: sender.id, name: nameOf({ sender }) },
  };
}

/** On one line, without what would make it look like somebody else's. */
function nameOf({ sender }: Pick<InboundMessage, 'sender'>): string {
  return (sender.name || sender.username || sender.id)
    .replace(/[\s:]+/g, ' ')
    .trim()
    .slice(0, NAME_LENGTH_MAX);
}

function isNamed(list: readonly string[], { sender: { id, username } }: InboundMessage): boolean {
  return list.includes(id) || (username !== undefined && list.includes(username));
}

function isLetIn({ settings: { settings } }: Account, message: InboundMessage): boolean {
  const named = isNamed(settings.users, message);
  if (message.chat.type === 'dm') return settings.dm === 'open' || (settings.dm !== 'closed' && named);
  if (settings.group === 'disabled' || (settings.users.length > 0 && !named)) return false;
  if (settings.group === 'allowlist' && !settings.groups.includes(message.chat.id)) return false;
  return settings.group === 'all' || message.addressed;
}
