/**
 * What was said while Slack could not deliver it and its three redeliveries were over: while the gateway was down, the
 * connection broken for long, or the disk full. It is read from the history of the conversations the bot is in, and of the
 * threads something was said in lately, and goes the way of all messages.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ChannelError } from '../adapter.ts';
import { mayPass } from '../patience.ts';
import type { Position } from '../position.ts';
import type { SlackApi } from './api.ts';
import { History, KINDS, MESSAGES_MAX, type Past } from './history.ts';
import type { Intake } from './intake.ts';

/** Conversations, and threads, that are asked after one break: Slack answers some 50 such questions a minute. */
const CHANNELS_MAX = 100;
const THREADS_MAX = 100;
/** Of each kind, of which {@link CHANNELS_MAX} are asked in all. */
const LISTED_MAX = 1_000;
/** Then the rest is given up, in milliseconds: an app that Slack lets ask once a minute would be at it for hours. */
const TOTAL_MS = 15 * 60_000;
/** How long what is said now waits for what was missed in its conversation: Slack gives 3 s to acknowledge it. */
const HOLD_MS = 2_000;
/** How often it is looked whether something was given up, in milliseconds: Slack's last redelivery is 6 minutes later. */
export const AGAIN_MS = 10 * 60_000;

/** What is asked after one break. */
interface Round {
  readonly history: History;
  /** The number of the last message that is known. */
  readonly from: bigint;
  /** Aborted when nothing more is asked. */
  readonly signal: AbortSignal;
  threadsLeft: number;
}

export class CatchUp {
  readonly #api: SlackApi;
  readonly #position: Position;
  readonly #intake: Pick<Intake, 'hold' | 'missed'>;
  readonly #log: Logger;
  readonly #stopping = new AbortController();
  readonly #looking: NodeJS.Timeout;
  /** Reasons that were told. */
  readonly #told = new Set<string>();
  #running: Promise<void> | undefined;
  #again = false;

  /** @param intake takes what is found */
  constructor(
    api: SlackApi,
    position: Position,
    intake: Pick<Intake, 'hold' | 'missed'>,
    log: Logger,
    againMs: number,
  ) {
    this.#api = api;
    this.#position = position;
    this.#intake = intake;
    this.#log = log;
    this.#looking = setInterval(() => {
      if (position.hasLost) this.begin();
    }, againMs).unref();
  }

  /** Asks for what was missed until now; once more afterwards where it is at it already. */
  begin(): void {
    if (this.#stopping.signal.aborted) return;
    this.#again = this.#running !== undefined;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#again) this.begin();
    });
  }

  /** Never rejects. */
  async stop(): Promise<void> {
    clearInterval(this.#looking);
    this.#stopping.abort();
    await this.#running;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const hold = this.#position.hold();
    const limit = AbortSignal.timeout(TOTAL_MS);
    const signal = AbortSignal.any([this.#stopping.signal, limit]);
    const history = new History(this.#api, signal);
    await this.#channels({ history, from: hold.from, signal, threadsLeft: THREADS_MAX });
    if (limit.aborted) this.#tell(`it takes longer than ${TOTAL_MS} ms, and the rest is left`);
    if (this.#stopping.signal.aborted) this.#position.lostAfter(hold.from);
    hold.release();
  }

  /** One conversation after the other, those in which something was said last first. */
  async #channels(round: Round): Promise<void> {
    const threads = this.#remembered();
    const reading = new Map<string, () => void>();
    const open = (channel: string): void => {
      const { promise, resolve } = Promise.withResolvers<void>();
      reading.set(channel, resolve);
      this.#intake.hold(channel, Promise.race([promise, delay(HOLD_MS, undefined, { ref: false })]));
    };
    for (const channel of threads.keys()) open(channel);
    for (const channel of await this.#others(round, threads)) open(channel);
    for (const [channel, done] of reading) {
      await this.#channel(round, channel, threads.get(channel) ?? []);
      done();
    }
  }

  /** Where something was said lately, with the threads it was said in. */
  #remembered(): Map<string, string[]> {
    const threads = new Map<string, string[]>();
    for (const place of this.#position.places.toReversed()) {
      const [channel = '', thread] = place.split('/');
      const known = threads.get(channel) ?? [];
      if (thread !== undefined) known.push(thread);
      threads.set(channel, known);
    }
    return threads;
  }

  /** The conversations besides, as many as are asked. */
  async #others(round: Round, known: ReadonlyMap<string, unknown>): Promise<readonly string[]> {
    const others: string[] = [];
    for (const kind of KINDS) {
      const listed = (await this.#answer(round, (history) => history.conversations(kind, LISTED_MAX))) ?? [];
      others.push(...listed.filter((channel) => !known.has(channel)));
    }
    const room = CHANNELS_MAX - known.size;
    if (others.length > room) this.#tell(`there are more conversations than the ${CHANNELS_MAX} that are asked`);
    return others.slice(0, room);
  }

  async #channel(round: Round, channel: string, remembered: readonly string[]): Promise<void> {
    const { from } = round;
    const found = await this.#answer(round, (history) => history.messages(channel, from));
    const threads = new Set(remembered);
    for (const message of found?.messages ?? []) {
      await this.#take(channel, message);
      if (message.latest_reply !== undefined) threads.add(message.ts);
    }
    if (found?.more) this.#tellOfMore(channel);
    for (const thread of threads) {
      if (round.threadsLeft === 0) return this.#tell(`there are more threads than the ${THREADS_MAX} that are asked`);
      round.threadsLeft -= 1;
      const replies = await this.#answer(round, (history) => history.replies(channel, thread, from));
      for (const message of replies?.messages ?? []) await this.#take(channel, message);
      if (replies?.more) this.#tellOfMore(channel);
    }
  }

  /** Of what cannot be kept now it is the account's position that is behind. */
  async #take(channel: string, message: Past): Promise<void> {
    const channel_type = channel.startsWith('D') ? 'im' : 'channel';
    await this.#intake.missed({ ...message, type: 'message', channel, channel_type });
  }

  /** Undefined where Slack does not answer: that is told, and asked again later where it may help. */
  async #answer<T>({ history, from, signal }: Round, ask: (history: History) => Promise<T>): Promise<T | undefined> {
    if (signal.aborted) return undefined;
    try {
      return await ask(history);
    } catch (error) {
      if (signal.aborted) return undefined;
      const { kind, message } = error as ChannelError;
      if (mayPass(kind)) this.#position.lostAfter(from);
      this.#tell(message);
      return undefined;
    }
  }

  #tellOfMore(channel: string): void {
    this.#log.warn({ channel, messages: MESSAGES_MAX }, 'more messages were missed at Slack than are read');
  }

  /** Once for each reason: a scope that is missing is missing for many conversations. */
  #tell(reason: string): void {
    if (this.#told.has(reason)) return;
    this.#told.add(reason);
    this.#log.warn({ reason }, 'not all that was missed at Slack can be read');
  }
}
