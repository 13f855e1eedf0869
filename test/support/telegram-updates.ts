/**
 * What a Bot API server has for a bot: updates, kept until they are confirmed, by a higher offset of `getUpdates` or by the
 * webhook's 2xx; and how it hands them out.
 */
import type { Update } from 'grammy/types';
import { Refusal } from './telegram-refusal.ts';

/** Telegram waits longer before it tries a webhook again. */
const RETRY_MS = 25;
/** An offset further above the last id is no offset of this queue's: nothing is given and nothing forgotten. */
const FUTURE = 10;

export interface WebhookTarget {
  readonly url: string;
  readonly secret: string;
}

interface Poll {
  readonly answer: (updates: Update[]) => void;
  readonly refuse: (refusal: Refusal) => void;
  readonly from: number | undefined;
  readonly limit: number;
}

export class UpdateQueue {
  readonly #pending: Update[] = [];
  /** Updates that are given once more, though they are forgotten. */
  readonly #again: Update[] = [];
  #lastId: number;
  #poll: Poll | undefined;
  #webhook: WebhookTarget | undefined;
  readonly #lanes = new Map<number, Promise<void>>();
  #closed = false;
  #failure: { date: number; message: string } | undefined;
  /** False: polls find nothing, though there is something. */
  #given = true;

  constructor(firstId = 100_000) {
    this.#lastId = firstId - 1;
  }

  get pendingCount(): number {
    return this.#pending.length + this.#again.length;
  }

  /** Whether somebody waits for updates. */
  get polled(): boolean {
    return this.#poll !== undefined;
  }

  get webhook(): WebhookTarget | undefined {
    return this.#webhook;
  }

  /** Why the webhook was not reached, the last time. */
  get failure(): { date: number; message: string } | undefined {
    return this.#failure;
  }

  isPending(update: Update): boolean {
    return this.#pending.includes(update);
  }

  push(content: Omit<Update, 'update_id'>): Update {
    this.#lastId += 1;
    const update: Update = { update_id: this.#lastId, ...content };
    this.#pending.push(update);
    this.#offer(update);
    return update;
  }

  /** Delivers it, confirmed or not. */
  repeat(update: Update): void {
    this.#again.push(update);
    this.#offer(update);
  }

  /** As after a week without updates: the next ids have nothing to do with the last. */
  restartIds(firstId: number): void {
    this.#lastId = firstId - 1;
  }

  /** The poll under way is never answered, as when a connection died without a word; the next is. */
  losePoll(): void {
    this.#poll = undefined;
  }

  /** The poll under way ends, with nothing or with a refusal, so that the caller asks once more. */
  restartPoll(refusal?: Refusal): void {
    if (refusal === undefined) this.#poll?.answer([]);
    else this.#poll?.refuse(refusal);
  }

  /** Polls are answered, but with nothing, until it is called with true. */
  give(given: boolean): void {
    this.#given = given;
  }

  setWebhook(target: WebhookTarget | undefined): void {
    this.#webhook = target;
    if (target === undefined) return;
    this.#poll?.refuse(conflict('terminated by setWebhook request'));
    this.#poll = undefined;
    for (const update of this.#pending) this.#post(update);
  }

  /**
   * Throws a Refusal. Resolves with what is there, or what comes within `timeoutS` seconds. `gone` aborts when the caller
   * hung up.
   */
  async poll(from: number | undefined, limit: number, timeoutS: number, gone: AbortSignal): Promise<Update[]> {
    if (this.#webhook !== undefined) {
      throw conflict(
        "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
      );
    }
    this.#poll?.refuse(
      conflict('terminated by other getUpdates request; make sure that only one bot instance is running'),
    );
    const { promise, resolve: answer, reject: refuse } = Promise.withResolvers<Update[]>();
    const poll: Poll = { answer, refuse, from, limit };
    this.#poll = poll;
    const end = (): void => {
      clearTimeout(timer);
      gone.removeEventListener('abort', end);
      if (this.#poll === poll) this.#poll = undefined;
    };
    const timer = setTimeout(() => this.#poll === poll && answer(this.#take(poll)), timeoutS * 1_000);
    gone.addEventListener('abort', end, { once: true });
    const found = this.#take(poll);
    if (found.length > 0) answer(found);
    return promise.finally(end);
  }

  close(): void {
    this.#closed = true;
    this.#poll?.answer([]);
    this.#poll = undefined;
  }

  #offer(update: Update): void {
    if (this.#webhook !== undefined) this.#post(update);
    else if (this.#poll !== undefined) {
      const found = this.#take(this.#poll);
      if (found.length > 0) this.#poll.answer(found);
    }
  }

  /** What a poll is answered with now: what is before its offset is forgotten. */
  #take({ from, limit }: Poll): Update[] {
    if (!this.#given) return [];
    if (from !== undefined && from > this.#lastId + FUTURE) return [];
    while (from !== undefined && this.#pending.length > 0 && this.#pending[0]!.update_id < from) this.#pending.shift();
    return [...this.#again.splice(0), ...this.#pending].slice(0, limit);
  }

  /** Posts it after those of its chat that came before, again and again until it is taken. */
  #post(update: Update): void {
    const lane = update.message?.chat.id ?? update.update_id;
    const before = this.#lanes.get(lane) ?? Promise.resolve();
    this.#lanes.set(
      lane,
      before.then(() => this.#deliver(update)),
    );
  }

  async #deliver(update: Update): Promise<void> {
    for (;;) {
      const target = this.#webhook;
      if (target === undefined || this.#closed) return;
      const failure = await postUpdate(target, JSON.stringify(update));
      if (failure === undefined) {
        for (const list of [this.#pending, this.#again]) {
          const index = list.indexOf(update);
          if (index >= 0) list.splice(index, 1);
        }
        return;
      }
      this.#failure = { date: Math.floor(Date.now() / 1_000), message: failure };
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Posts one update as Telegram does. Resolves with why it was not taken; undefined: it was. */
export async function postUpdate({ url, secret }: WebhookTarget, body: string): Promise<string | undefined> {
  const headers = { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': secret };
  try {
    const { ok, status, statusText } = await fetch(url, { method: 'POST', headers, body });
    return ok ? undefined : `Wrong response from the webhook: ${status} ${statusText}`;
  } catch {
    return 'Connection refused';
  }
}

function conflict(reason: string): Refusal {
  return new Refusal(409, `Conflict: ${reason}`);
}
