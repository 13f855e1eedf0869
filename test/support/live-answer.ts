/** A live answer on a platform in memory that fails as told, with a clock that stands still until it is moved. */
import { pino } from 'pino';
import {
  type Adapter,
  type Capabilities,
  ChannelError,
  type ChannelErrorKind,
  type OutboundMessage,
} from '../../src/channels/adapter.ts';
import type { FinishedAnswer, LiveAnswerOptions } from '../../src/delivery/display.ts';
import { LiveAnswer } from '../../src/delivery/live-answer.ts';
import { ManualClock } from './manual-clock.ts';

const CAPABILITIES: Capabilities = {
  textLengthMax: 100,
  edits: true,
  editIntervalMs: 1_000,
  typingMs: 5_000,
  buttons: false,
  fileBytesMax: 0,
  detectsDuplicates: false,
};

/** What a call fails with; `lost`: it was done, and nobody was told. */
export type Failure = ChannelErrorKind | 'lost' | { retryAfterMs: number };

/** A chat as a platform shows it. */
class Platform implements Adapter {
  readonly capabilities: Capabilities;
  readonly messages: { id: string; text: string; key: string; replyTo: string | undefined }[] = [];
  /** When each message was changed. */
  readonly calls: { at: number; what: string }[] = [];
  /** How the next calls fail; undefined: they don't. */
  failures: (Failure | undefined)[] = [];
  typed: number[] = [];
  /** Calls are answered when it has resolved. */
  held: Promise<void> | undefined;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock, capabilities: Partial<Capabilities>) {
    this.#clock = clock;
    this.capabilities = { ...CAPABILITIES, ...capabilities };
  }

  get texts(): string[] {
    return this.messages.map(({ text }) => text);
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  async send({ text, key, replyTo }: OutboundMessage): Promise<{ message: string }> {
    this.#check(text);
    return this.#call('send', () => {
      const there = this.messages.find((message) => this.capabilities.detectsDuplicates && message.key === key);
      const message = there ?? { id: `p${this.messages.length + 1}`, text, key, replyTo };
      if (there === undefined) this.messages.push(message);
      return { message: message.id };
    });
  }

  async edit(_chat: unknown, id: string, text: string): Promise<void> {
    this.#check(text);
    return this.#call(id, () => {
      const message = this.messages.find((one) => one.id === id);
      if (message === undefined) throw new ChannelError('rejected', 'no such message');
      message.text = text;
    });
  }

  async typing(): Promise<void> {
    this.typed.push(this.#clock.now());
  }

  #check(text: string): void {
    if (text.trim() === '' || text.length > this.capabilities.textLengthMax) throw new Error(`bad text ${text}`);
  }

  async #call<T>(what: string, act: () => T): Promise<T> {
    this.calls.push({ at: this.#clock.now(), what });
    const failure = this.failures.shift();
    await this.held;
    if (failure === undefined) return act();
    if (failure === 'lost') {
      act();
      throw new ChannelError('unknown', 'the connection was lost');
    }
    if (typeof failure === 'object') throw new ChannelError('rate_limited', 'slow down', failure);
    throw new ChannelError(failure, `told to fail with ${failure}`);
  }
}

export function setUp(mode: LiveAnswerOptions['mode'], capabilities: Partial<Capabilities> = {}) {
  const clock = new ManualClock();
  const platform = new Platform(clock, capabilities);
  let keys = 0;
  const abort = new AbortController();
  const live = new LiveAnswer({
    adapter: platform,
    chat: { id: 'c1', type: 'dm' },
    replyTo: 'm0',
    mode,
    clock,
    newKey: () => {
      keys += 1;
      return `key${keys}`;
    },
    log: pino({ level: 'silent' }),
    signal: abort.signal,
  });
  /** Lets time pass until the promise has settled. */
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let done = false;
    const finished = promise.finally(() => {
      done = true;
    });
    for (let i = 0; i < 200 && !done; i += 1) await clock.advance(1_000);
    return finished;
  };
  return { clock, platform, live, abort, settled };
}

/** All of the final text as `finish` tells it. */
export const told = ({ shown, unknown, rest }: FinishedAnswer) => [
  ...shown.map(({ text }) => text),
  ...(unknown === undefined ? [] : [unknown.text]),
  ...rest,
];
export const WORDS = 'The quick brown fox jumps over the lazy dog, again and again. ';
