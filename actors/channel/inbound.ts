/**
 * What becomes of a message from a platform:
 *
 *     seen before?  →  admit  →  wait for more of the same sender  →  in the order of the chat: load images, give it to its session
 *                        ├─ pair: a code for the sender
 *                        ├─ withhold: context of the next message
 *                        └─ ignore
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { InboundMessage, Sender } from '../../src/channels/adapter.ts';
import type { ChannelReplies, ChannelRequests } from '../../src/channels/requests.ts';
import type { ShardClient } from '../../src/channels/shard-client.ts';
import { AccountAccess } from '../../src/inbound/admit.ts';
import { BotLoopGuard } from '../../src/inbound/bot-loop.ts';
import { Debounce, type JoinedMessage } from '../../src/inbound/debounce.ts';
import { Dedupe } from '../../src/inbound/dedupe.ts';
import { AccountGrants } from '../../src/inbound/grants.ts';
import { type Pairing, pairingText } from '../../src/inbound/pairing.ts';
import type { Place } from '../../src/inbound/place.ts';
import { chatKey, Withheld, withContext } from '../../src/inbound/withheld.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { MessageOrigin } from '../../src/protocol/messages.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import type { PairingRequest } from '../../src/storage/pairing.ts';
import type { Store } from '../../src/storage/store.ts';
import type { Account } from './account.ts';
import { loadFiles } from './attachments.ts';
import type { Asked, Runs } from './runs.ts';
import { nameOf } from './sender-name.ts';

/** Times a session is asked to take a message before the platform is left to deliver it again. */
const TRIES_MAX = 5;
const RETRY_MS = 200;
/** Longest text of one message that is passed on, in UTF-16 code units: several times what any platform allows. */
const TEXT_LENGTH_MAX = 65_536;

export interface InboundParts {
  account: Account;
  place: Place;
  store: Pick<Store, 'keys' | 'pairing'>;
  pairing: Pairing;
  shards: Pick<ShardClient, 'request'>;
  runs: Runs;
  clock: Clock;
  /** Aborted when nothing is taken any more. */
  signal: AbortSignal;
  /** How the run that answers is shown. */
  asked(origin: MessageOrigin): Asked;
  /** A message for the agent is on the disk. */
  took(origin: MessageOrigin): void;
  /** Sends a text that no session has written. */
  tell(message: InboundMessage, text: string): Promise<void>;
  /** Somebody new has got a code. */
  pairingRequested(request: PairingRequest): void;
  log: Logger;
}

export class Inbound {
  readonly #parts: InboundParts;
  readonly #access: AccountAccess;
  readonly #dedupe: Dedupe;
  readonly #bots: BotLoopGuard;
  readonly #withheld = new Withheld();
  readonly #debounce: Debounce;
  /** The last message of each chat that is being given to its session: those after it wait. */
  readonly #chats = new Map<string, Promise<void>>();

  constructor(parts: InboundParts) {
    const { account, store, clock } = parts;
    const { platform, account: name, settings } = account.settings;
    this.#parts = parts;
    this.#access = new AccountAccess(settings, new AccountGrants(store.pairing, platform, name));
    this.#dedupe = new Dedupe(clock);
    this.#bots = new BotLoopGuard(clock);
    const { debounceMs } = settings;
    this.#debounce = new Debounce({ clock, debounceMs, deliver: (joined) => this.#inOrder(joined) });
  }

  /** Resolves when the message is on the disk, or will never be wanted. Rejects when it could not be kept now. */
  take(message: InboundMessage): Promise<void> {
    return this.#dedupe.once(message.update, () => this.#take(message));
  }

  /** Whether somebody may decide on tool calls that wait for an operator. */
  isOperator(sender: Sender): boolean {
    return this.#access.isOperator(sender);
  }

  /** What waits for more is taken now. */
  flush(): Promise<void> {
    return this.#debounce.flush();
  }

  async #take(message: InboundMessage): Promise<void> {
    const { store, log } = this.#parts;
    this.#parts.signal.throwIfAborted();
    const session = this.#sessionOf(message);
    if (session === undefined || store.keys.owner(session, this.#keyOf(message.update), Date.now()) !== undefined)
      return;
    const admission = this.#access.admit(message);
    switch (admission.type) {
      case 'run':
        if (message.sender.bot && !this.#mayRun(message)) return;
        return this.#debounce.add(message);
      case 'withhold':
        if (this.#debounce.waitsFor(message)) return this.#debounce.add(message);
        this.#withheld.add(message);
        return;
      case 'pair':
        return this.#pair(message);
      case 'ignore':
        log.debug({ update: message.update, reason: admission.reason }, 'a message is ignored');
    }
  }

  #sessionOf(message: InboundMessage): string | undefined {
    const { account, place, log } = this.#parts;
    try {
      return place(account.settings, message);
    } catch (error) {
      log.error({ error, update: message.update }, 'a message has no session and is left out');
      return undefined;
    }
  }

  #keyOf(update: string): string {
    return `${this.#parts.account.key}:${update}`;
  }

  #mayRun({ chat }: InboundMessage): boolean {
    const verdict = this.#bots.count(chatKey(chat));
    if (verdict === 'pauses') this.#parts.log.warn({ chat: chat.id }, 'two bots answer each other: they are paused');
    return verdict === 'run';
  }

  async #pair(message: InboundMessage): Promise<void> {
    const { account, pairing, pairingRequested, tell, log } = this.#parts;
    const { platform, account: name } = account.settings;
    const answer = await pairing.request(platform, name, message.sender);
    if (answer.type === 'paired') return this.#debounce.add(message);
    if (answer.type === 'silent') {
      log.info({ sender: message.sender.id, reason: answer.reason }, 'somebody unknown wrote and was told nothing');
      return;
    }
    // First the operators: this is the only time it is new, and telling the person may fail.
    if (answer.isNew) pairingRequested(answer.request);
    await tell(message, pairingText(answer.request));
  }

  /** Messages of one chat are given to its session in order. */
  async #inOrder(joined: JoinedMessage): Promise<void> {
    const chat = chatKey(joined.message.chat);
    const before = this.#chats.get(chat) ?? Promise.resolve();
    const given = before.catch(() => {}).then(() => this.#give(joined));
    this.#chats.set(chat, given);
    try {
      await given;
    } finally {
      if (this.#chats.get(chat) === given) this.#chats.delete(chat);
    }
  }

  async #give({ message, updates }: JoinedMessage): Promise<void> {
    const { account, signal } = this.#parts;
    signal.throwIfAborted();
    const session = this.#sessionOf(message);
    if (session === undefined) return;
    const { images, notes } = await loadFiles(message.attachments, signal);
    const said = [message.text, ...notes]
      .filter((line) => line !== '')
      .join('\n')
      .slice(0, TEXT_LENGTH_MAX);
    if (said === '' && images.length === 0) return;
    await this.#send(session, {
      said,
      before: this.#before(message, said),
      images,
      origin: originOf(account, message),
      keys: updates.map((update) => this.#keyOf(update)),
      mayChange: this.#access.isAdmin(message.chat, message.sender),
      mayApprove: this.#access.isOperator(message.sender),
    });
  }

  /** What the agent is told before a message in a group: who says it, and what was said there unless it is a command. */
  #before(message: InboundMessage, said: string): string {
    if (message.chat.type === 'dm') return '';
    const context = said.startsWith('/') ? [] : this.#withheld.before(message);
    return withContext(context, `${nameOf(message.sender)}: `);
  }

  /** Gives the message to its session; more than once, where that may help: its key makes it one message. */
  async #send(session: string, first: ChannelRequests['channel.message']): Promise<void> {
    const { account, shards, runs, took, signal, log } = this.#parts;
    let request = first;
    const asked = this.#parts.asked(request.origin);
    for (let tries = 1; ; tries++) {
      let replied = false;
      const onReply = ({ message, duplicate, command }: ChannelReplies['channel.message']): void => {
        replied = true;
        if (!duplicate) account.count('received');
        // A command is answered at once, and some platforms have no message for it.
        if (!duplicate && !command) took(request.origin);
        runs.follow(session, duplicate || command ? undefined : message, asked);
      };
      runs.expect(session);
      try {
        await shards.request('channel.message', session, request, onReply);
        return;
      } catch (error) {
        if (!replied) runs.follow(session, undefined, asked);
        if (!(error instanceof DhaavakError)) throw error;
        if (error.code === 'invalid_request' && request.images.length > 0) {
          // An image that is none: the rest of the message is worth an answer.
          request = { ...request, said: `${request.said}\n[image: it cannot be read]`.trim(), images: [] };
          continue;
        }
        if (!error.retryable) {
          log.error({ error, session }, 'a message was refused and is left out');
          return;
        }
        if (tries >= TRIES_MAX) throw error;
        await pause(RETRY_MS * 2 ** tries, undefined, { signal });
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
    sender: { id: sender.id, name: nameOf(sender) },
  };
}
