/**
 * Long polling. Telegram forgets an update when it is asked for later ones, so it is asked for later ones only when all
 * before them are done; while one is not, what comes after it is fetched along with it and not taken twice. Telegram gives
 * at most 100 updates at a time, which therefore is the most that is under way.
 *
 * That polling works is judged by what comes in, never by what can be sent. It is begun anew when Telegram neither answers
 * nor refuses in time, and when Telegram has updates for us (`getWebhookInfo` counts them) and yet gives none.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { GrammyError } from 'grammy';
import type { Update } from 'grammy/types';
import { type AdapterEvents, ChannelError } from '../adapter.ts';
import type { TelegramClient } from './connect.ts';
import { channelError } from './failure.ts';
import type { Intake } from './intake.ts';
import { ALLOWED_UPDATES } from './normalize.ts';
import type { Standing } from './standing.ts';

/** Telegram's own maximum. */
const BATCH = 100;
/** So many ids of finished updates are known, in case they come once more. */
const DONE_MAX = 2 * BATCH;
/** What is being received when polling stops may take so long; then Telegram is told what arrived. In milliseconds. */
const END_MS = 2_000;

/** How long things are waited for, in milliseconds. */
export interface PollingTimes {
  /** How long Telegram may wait for something to come before it answers. Whole seconds. */
  readonly pollMs: number;
  /** How much later its answer may be here. */
  readonly marginMs: number;
  /** How often Telegram is asked whether it has updates that do not come. */
  readonly lookMs: number;
  /** How long such an update may still be on its way. */
  readonly graceMs: number;
  /** How soon what came meanwhile is fetched, along with an update that is not done. */
  readonly againMs: number;
  /** The first wait after a failure; it doubles up to `backoffMaxMs`. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
}

export const POLLING_TIMES: PollingTimes = {
  pollMs: 30_000,
  marginMs: 10_000,
  lookMs: 20_000,
  graceMs: 3_000,
  againMs: 200,
  backoffMs: 500,
  backoffMaxMs: 30_000,
};

export class Polling {
  readonly #client: TelegramClient;
  readonly #events: AdapterEvents;
  readonly #intake: Intake;
  readonly #standing: Standing;
  readonly #times: PollingTimes;
  readonly #stopping = new AbortController();
  /** Updates that are under way, or were not kept. The lowest id is where Telegram is asked to begin. */
  readonly #open = new Map<number, Promise<void> | 'not kept'>();
  readonly #done = new Set<number>();
  /** Where to begin when none is open; undefined: with whatever Telegram was not told to forget. */
  #next: number | undefined;
  /** Up to where Telegram was told to forget. */
  #confirmed: number | undefined;
  /** Updates that came, ever. */
  #came = 0;
  #failures = 0;
  /** The first update that was not done when it was looked, and the one that was not done at two looks. */
  #looked: number | undefined;
  #stuck: number | undefined;
  /** Ends the poll under way. */
  #poll = new AbortController();
  #running: Promise<unknown> | undefined;

  constructor(
    client: TelegramClient,
    events: AdapterEvents,
    intake: Intake,
    standing: Standing,
    times: PollingTimes = POLLING_TIMES,
  ) {
    this.#client = client;
    this.#events = events;
    this.#intake = intake;
    this.#standing = standing;
    this.#times = times;
  }

  start(): void {
    this.#running = Promise.all([this.#run(), this.#watch()]);
  }

  /** Resolves when nothing is asked for any more, and Telegram was told what arrived, if it could be. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#settle(END_MS);
    if (this.#begin() === this.#confirmed) return;
    // Where this fails, the updates come again at the next start.
    await this.#ask(0, 1, AbortSignal.timeout(END_MS)).catch(() => undefined);
  }

  async #run(): Promise<void> {
    /** The first poll does not wait: its answer shows that polling works. So does the first after a failure. */
    let waitMs = 0;
    while (!this.#stopping.signal.aborted) {
      try {
        const updates = await this.#fetch(waitMs);
        waitMs = this.#times.pollMs;
        this.#arrived(updates);
        await this.#settle(this.#times.againMs);
        await this.#judge();
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        waitMs = 0;
        await this.#failed(channelError('updates', error, this.#client.token, true));
      }
    }
  }

  /** Throws a ChannelError. */
  async #fetch(waitMs: number): Promise<Update[]> {
    const poll = new AbortController();
    this.#poll = poll;
    const limitMs = waitMs + this.#times.marginMs;
    const timer = setTimeout(() => poll.abort(`it did not answer within ${limitMs / 1_000} s`), limitMs);
    try {
      return await this.#ask(waitMs, BATCH, AbortSignal.any([poll.signal, this.#stopping.signal]));
    } catch (error) {
      if (!poll.signal.aborted) throw error;
      throw new ChannelError('temporary', `Telegram is asked anew for updates: ${poll.signal.reason}`);
    } finally {
      clearTimeout(timer);
    }
  }

  #ask(waitMs: number, limit: number, signal: AbortSignal): Promise<Update[]> {
    const offset = this.#begin();
    return this.#client.call(
      'updates',
      signal,
      async (api, sign) => {
        try {
          const from = offset === undefined ? {} : { offset };
          const timeout = Math.ceil(waitMs / 1_000);
          const updates = await api.getUpdates({ ...from, limit, timeout, allowed_updates: ALLOWED_UPDATES }, sign);
          this.#confirmed = offset;
          return updates;
        } catch (error) {
          if (!(error instanceof GrammyError) || error.error_code !== 409) throw error;
          throw new ChannelError('temporary', `another program uses the token of this bot: ${error.description}`);
        }
      },
      { repeatable: true },
    );
  }

  /** The id of the first update that is not done. */
  #begin(): number | undefined {
    return this.#open.size > 0 ? Math.min(...this.#open.keys()) : this.#next;
  }

  #arrived(updates: readonly Update[]): void {
    this.#events.alive();
    this.#standing.well('connection');
    if (updates.length > 0) this.#standing.well('stall');
    for (const update of updates) {
      const { update_id: id } = update;
      this.#next = id + 1;
      this.#came += 1;
      if (this.#done.has(id) || this.#open.get(id) instanceof Promise) continue;
      const done = this.#intake.take(update).then((kept) => this.#ended(id, kept));
      this.#open.set(id, done);
    }
  }

  #ended(id: number, kept: boolean): void {
    if (!kept) {
      this.#open.set(id, 'not kept');
      return;
    }
    this.#open.delete(id);
    this.#done.add(id);
    if (this.#done.size > DONE_MAX) this.#done.delete(this.#done.values().next().value!);
  }

  /** Waits for what is under way, for so long. */
  async #settle(limitMs: number): Promise<void> {
    const underWay = [...this.#open.values()].filter((done) => done !== 'not kept');
    if (underWay.length === 0) return;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, limitMs);
    await Promise.race([Promise.all(underWay), late.promise]);
    clearTimeout(timer);
  }

  async #judge(): Promise<void> {
    if ([...this.#open.values()].includes('not kept')) {
      this.#standing.ill('keeping', 'messages cannot be kept now: Telegram is asked for them again (the log says why)');
      await this.#pause();
      return;
    }
    this.#failures = 0;
    if (this.#stuck === undefined || !this.#open.has(this.#stuck)) this.#standing.well('keeping');
    else this.#standing.ill('keeping', 'a message has been waiting for long to be kept: the store may be stuck');
  }

  async #failed(error: ChannelError): Promise<void> {
    if (error.kind === 'unauthorized') {
      this.#standing.loggedOut(error);
      this.#stopping.abort();
      return;
    }
    this.#standing.ill('connection', error.message);
    await this.#pause(error.retryAfterMs);
  }

  /** Longer after every failure, and never as long twice, so that many accounts do not come back at once. */
  async #pause(leastMs = 0): Promise<void> {
    const { backoffMs, backoffMaxMs } = this.#times;
    const waitMs = Math.min(backoffMaxMs, backoffMs * 2 ** this.#failures) * (0.5 + Math.random() / 2);
    this.#failures += 1;
    await this.#sleep(Math.max(leastMs, waitMs));
  }

  /** Sees to it that what Telegram has for us comes. */
  async #watch(): Promise<void> {
    const { lookMs, graceMs } = this.#times;
    for (;;) {
      await this.#sleep(lookMs);
      if (this.#stopping.signal.aborted) return;
      const first = this.#open.size > 0 ? this.#begin() : undefined;
      this.#stuck = first === this.#looked ? first : undefined;
      this.#looked = first;
      // What is under way is counted by Telegram too; and after a failure there is nothing new to find out.
      if (first !== undefined || this.#failures > 0) continue;
      const came = this.#came;
      const pending = await this.#pending();
      if (pending === 0) this.#standing.well('stall');
      if (pending === 0 || pending === undefined) continue;
      await this.#sleep(graceMs);
      if (this.#came === came && !this.#stopping.signal.aborted) this.#beginAnew(pending);
    }
  }

  /** Updates Telegram has for us; undefined: it does not say. */
  async #pending(): Promise<number | undefined> {
    try {
      const { pending_update_count } = await this.#client.call(
        'the state of updates',
        this.#stopping.signal,
        (api, signal) => api.getWebhookInfo(signal),
        { repeatable: true },
      );
      return pending_update_count;
    } catch {
      return undefined; // polling itself will tell
    }
  }

  #beginAnew(pending: number): void {
    this.#events.log.warn({ pending }, 'Telegram has updates that do not come: polling begins anew');
    this.#standing.ill('stall', `Telegram has ${pending} updates and gives none: polling begins anew`);
    // After a week without updates their ids begin anywhere, which may be before the one we wait for.
    this.#next = undefined;
    this.#poll.abort('it has updates and gives none');
  }

  /** Also ends when polling stops. */
  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }
}
