/**
 * Tool calls that wait for an operator, told in the chats whose message their run answers: a message with buttons, or where
 * there are none with the words to say, which is changed once it is decided. All of it is in memory, as the calls that wait
 * are: after a crash of the channels a button is of no use, and `/approve` still is.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Adapter, ChannelError, type Chat, type Press } from '../../src/channels/adapter.ts';
import type { ShardClient } from '../../src/channels/shard-client.ts';
import { asChannelError, nextTry } from '../../src/delivery/retry.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { EventData } from '../../src/protocol/messages.ts';
import { decidedText, pressedButton, questionButtons, questionText } from './question.ts';
import { nameOf } from './sender-name.ts';

type Requested = EventData<'approval.requested'>;
type Resolved = Pick<EventData<'approval.resolved'>, 'allowed' | 'by' | 'reason'>;

/** Calls that are told at the same time; of one more only clients hear. */
const QUESTIONS_MAX = 1_000;
/** A call whose session died is not decided by it: it is given up this long after its time. */
const GRACE_MS = 5_000;
const TRY_TIMEOUT_MS = 30_000;
/** Tries to change the message. */
const EDIT_TRIES_MAX = 5;
const OF_NO_USE = 'This button is of no use any more.';

/** A chat, and how to reach it. */
export interface AskedChat {
  /** The account's key. */
  account: string;
  chat: Chat;
  /** The message that the run answers. */
  replyTo: string;
  /** Undefined: not connected now. */
  adapter(): { adapter: Adapter; signal: AbortSignal } | undefined;
  newKey(): string;
}

interface Question {
  call: Requested;
  chats: readonly AskedChat[];
  decided: PromiseWithResolvers<Resolved>;
  timer: NodeJS.Timeout;
}

export class Questions {
  readonly #shards: Pick<ShardClient, 'request'>;
  readonly #log: Logger;
  readonly #questions = new Map<string, Question>();

  constructor(shards: Pick<ShardClient, 'request'>, log: Logger) {
    this.#shards = shards;
    this.#log = log;
  }

  /** A call of a run that answers messages of these chats waits. */
  ask(call: Requested, chats: readonly AskedChat[]): void {
    const { approval, session } = call;
    if (chats.length === 0 || this.#questions.has(approval)) return;
    if (this.#questions.size >= QUESTIONS_MAX) {
      this.#log.warn({ session, approval }, 'too many tool calls wait for approval: this one is told in no chat');
      return;
    }
    const waitMs = Math.max(0, call.expiresAt - Date.now()) + GRACE_MS;
    const timer = setTimeout(() => this.resolved(approval, { allowed: false }), Math.min(waitMs, 2 ** 31 - 1)).unref();
    const question: Question = { call, chats, decided: Promise.withResolvers(), timer };
    this.#questions.set(approval, question);
    for (const chat of chats) {
      show(question, chat).catch((error: unknown) =>
        this.#log.warn({ error, session, approval, chat: chat.chat.id }, 'a chat was not told of a call that waits'),
      );
    }
  }

  /** It was decided, or waits no longer. */
  resolved(approval: string, how: Resolved): void {
    const question = this.#questions.get(approval);
    if (question === undefined) return;
    this.#questions.delete(approval);
    clearTimeout(question.timer);
    question.decided.resolve(how);
  }

  /** Decides, when the button is one of these and an operator pressed it. Resolves with what to show. Never rejects. */
  async press(account: string, { chat, sender, data }: Press, isOperator: boolean): Promise<string> {
    const pressed = pressedButton(data);
    const question = this.#questions.get(pressed?.approval ?? '');
    const isThere = question?.chats.some((asked) => asked.account === account && asked.chat.id === chat.id);
    if (pressed === undefined || question === undefined || !isThere) return OF_NO_USE;
    if (!isOperator) {
      this.#log.info({ account, sender: sender.id, ...pressed }, 'somebody who is no operator pressed a button');
      return 'Only an operator may decide.';
    }
    try {
      const via = `${account.split(':')[0]}:${sender.id}`;
      await this.#shards.request('channel.approve', question.call.session, { ...pressed, by: nameOf(sender), via });
      return pressed.allow ? 'Approved.' : 'Refused.';
    } catch (error) {
      if (error instanceof DhaavakError && error.code === 'not_found') {
        this.resolved(pressed.approval, { allowed: false });
        return 'It waits no longer.';
      }
      if (error instanceof DhaavakError && error.code === 'conflict') return sentence(error.message);
      this.#log.warn({ error, account, ...pressed }, 'a button came to nothing');
      return 'It could not be decided now. Please try again.';
    }
  }
}

/** The reason of a refusal, as an answer to a person. */
function sentence(text: string): string {
  return `${text[0]?.toUpperCase()}${text.slice(1)}.`;
}

/** Shows the question, and once it is decided how. Throws a ChannelError. */
async function show({ call, decided }: Question, asked: AskedChat): Promise<void> {
  const { chat, replyTo, newKey } = asked;
  const key = newKey();
  const ask = async (adapter: Adapter, signal: AbortSignal): Promise<string> => {
    const { buttons } = adapter.capabilities;
    const shown = { text: questionText(call, buttons), ...(buttons ? { buttons: questionButtons(call) } : {}) };
    return (await adapter.send({ chat, replyTo, ...shown, key }, signal)).message;
  };
  const sent = await taken(asked, ask, { over: decided.promise });
  const how = await decided.promise;
  if (sent === undefined) return;
  await taken(asked, (adapter, signal) => adapter.edit?.(chat, sent, decidedText(call, how), undefined, signal), {
    triesMax: EDIT_TRIES_MAX,
  });
}

/**
 * Calls until the platform takes it, or it is over: then undefined. Throws a ChannelError when the platform never will, or
 * after `triesMax` tries; what may be there already is done again only where `triesMax` says that it may be.
 */
async function taken<T>(
  { adapter: reach }: AskedChat,
  call: (adapter: Adapter, signal: AbortSignal) => Promise<T> | undefined,
  { over, triesMax }: { over?: Promise<unknown>; triesMax?: number },
): Promise<T | undefined> {
  let isOver = false;
  const ended = over?.then(() => {
    isOver = true;
  });
  for (let attempts = 1; !isOver; attempts++) {
    try {
      const reached = reach();
      if (reached === undefined) throw new ChannelError('temporary', 'the account is not connected');
      return await call(reached.adapter, AbortSignal.any([reached.signal, AbortSignal.timeout(TRY_TIMEOUT_MS)]));
    } catch (thrown) {
      const error = asChannelError(thrown);
      const tries = { attempts, firstAt: 0, now: 0, detectsDuplicates: triesMax !== undefined };
      const next = nextTry(error, tries, Math.random);
      if (next.type !== 'retry' || attempts === triesMax) throw error;
      const wait = pause(next.afterMs, undefined, { ref: false });
      await (ended === undefined ? wait : Promise.race([wait, ended]));
    }
  }
  return undefined;
}
