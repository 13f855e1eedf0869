/**
 * Joins the quick messages of one sender in one chat: what comes within `debounceMs` of the one before is one message.
 *
 *     const debounce = new Debounce({ clock, debounceMs, deliver: (joined) => … });
 *     await debounce.add(message)        // resolves when `deliver` has, for all that were joined
 *     debounce.waitsFor(message)         // a message of this sender waits: take this one too, though it is not addressed
 *     await debounce.flush()             // when the account stops
 *
 * `deliver` gets one message, and the update ids of all in it: each must be an idempotency key of the turn, or a platform
 * that delivers only the second again would be answered twice. Commands are never joined: what waits goes first. A sender's
 * messages stay in order. With `debounceMs` 0 nothing waits.
 */
import type { InboundMessage } from '../channels/adapter.ts';
import type { Clock, TimerHandle } from '../runtime/clock.ts';
import { chatKey } from './withheld.ts';

/** Messages joined into one, and how long the first of them waits at most, in times of `debounceMs`. */
export const JOINED_MAX = 20;
export const WAITS_MAX = 5;
/** UTF-16 units of the texts joined into one; a message that would make them more begins the next one. */
export const JOINED_LENGTH_MAX = 32_768;

export interface JoinedMessage {
  /** The first one's chat, sender, update and reply; the last one's id and time; all texts and attachments. */
  readonly message: InboundMessage;
  /** The updates it came in, in order. */
  readonly updates: readonly [string, ...string[]];
}

export interface DebounceOptions {
  clock: Clock;
  /** As the account's settings say. */
  debounceMs: number;
  /** Resolves when the message is on the disk; its rejection reaches all who were joined. */
  deliver(joined: JoinedMessage): Promise<void>;
}

interface Waiting {
  readonly messages: InboundMessage[];
  readonly since: number;
  readonly done: PromiseWithResolvers<void>;
  length: number;
  timer: TimerHandle;
}

export class Debounce {
  readonly #options: DebounceOptions;
  readonly #waiting = new Map<string, Waiting>();

  constructor(options: DebounceOptions) {
    this.#options = options;
  }

  add(message: InboundMessage): Promise<void> {
    const { debounceMs, deliver } = this.#options;
    const key = senderKey(message);
    const isCommand = message.text.startsWith('/');
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined && (isCommand || !fits(waiting, message))) this.#deliver(key, waiting);
    if (debounceMs === 0 || isCommand) return deliver({ message, updates: [message.update] });
    return this.#join(key, message);
  }

  waitsFor(message: InboundMessage): boolean {
    return this.#waiting.has(senderKey(message));
  }

  /** Delivers what waits, and resolves when that is done, well or not: whoever called `add` is told which. */
  async flush(): Promise<void> {
    const waiting = [...this.#waiting];
    for (const [key, messages] of waiting) this.#deliver(key, messages);
    await Promise.allSettled(waiting.map(([, { done }]) => done.promise));
  }

  #join(key: string, message: InboundMessage): Promise<void> {
    const { clock, debounceMs } = this.#options;
    const now = clock.elapsed();
    const before = this.#waiting.get(key);
    if (before !== undefined) clock.clearTimeout(before.timer);
    const since = before?.since ?? now;
    const waitMs = Math.min(debounceMs, since + WAITS_MAX * debounceMs - now);
    const timer = clock.setTimeout(() => this.#deliver(key, waiting), waitMs);
    const waiting: Waiting = before ?? { messages: [], since, done: Promise.withResolvers(), length: 0, timer };
    waiting.timer = timer;
    waiting.messages.push(message);
    waiting.length += message.text.length + 1;
    this.#waiting.set(key, waiting);
    return waiting.done.promise;
  }

  #deliver(key: string, waiting: Waiting): void {
    this.#options.clock.clearTimeout(waiting.timer);
    this.#waiting.delete(key);
    waiting.done.resolve(this.#options.deliver(joined(waiting.messages)));
  }
}

function senderKey({ chat, sender }: InboundMessage): string {
  return JSON.stringify([chatKey(chat), sender.id]);
}

function fits({ messages, length }: Waiting, { text }: InboundMessage): boolean {
  return messages.length < JOINED_MAX && length + text.length <= JOINED_LENGTH_MAX;
}

function joined(messages: readonly InboundMessage[]): JoinedMessage {
  const [first, last] = [messages[0], messages.at(-1)];
  if (first === undefined || last === undefined) throw new Error('nothing to join');
  const texts = messages.map(({ text }) => text).filter((text) => text !== '');
  const attachments = messages.flatMap((message) => message.attachments);
  const { message, timestamp } = last;
  return {
    message: { ...first, message, timestamp, text: texts.join('\n'), attachments, addressed: true },
    updates: [first.update, ...messages.slice(1).map(({ update }) => update)],
  };
}
