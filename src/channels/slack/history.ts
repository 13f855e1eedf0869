/**
 * Slack's past: which conversations the bot is in, and what was said there after a time.
 *
 * @see https://docs.slack.dev/reference/methods/conversations.history
 */
import type { WebClient } from '@slack/web-api';
import { patiently } from '../patience.ts';
import type { Numbering } from '../position.ts';
import type { SlackApi } from './api.ts';

/** Messages of one conversation or thread. */
export const MESSAGES_MAX = 500;
/** Of one answer of Slack: what it recommends at most. */
const PAGE = 200;
/** The kinds of conversations, asked for one by one: where the scope for one is missing, the others are answered. */
export const KINDS = ['im', 'mpim', 'private_channel', 'public_channel'] as const;

/** Slack's times, which name messages in their conversation, as microseconds. A message's id here is `C…:<time>`. */
export const TIMES: Numbering = {
  platform: 'Slack',
  numberOf: (id) => BigInt(id.slice(id.indexOf(':') + 1).replace('.', '')),
  at: (ms) => BigInt(ms) * 1_000n,
};

/** A message as far as its place is concerned; the rest is read by `normalize.ts`. */
export interface Past {
  readonly ts: string;
  /** Of one that began a thread. */
  readonly latest_reply?: string | undefined;
}

interface Page<T> {
  readonly items: readonly T[];
  readonly cursor: string | undefined;
}

export class History {
  readonly #api: SlackApi;
  /** Ends every question. */
  readonly #signal: AbortSignal;

  constructor(api: SlackApi, signal: AbortSignal) {
    this.#api = api;
    this.#signal = signal;
  }

  /** The ids of up to `max` conversations of a kind that the bot is in. Throws a ChannelError. */
  async conversations(types: (typeof KINDS)[number], max: number): Promise<readonly string[]> {
    const all = { types, exclude_archived: true, limit: PAGE };
    const { items } = await this.#pages(max, async (cursor) => {
      const answer = await this.#ask((web) => web.users.conversations({ ...all, ...cursor }));
      return { items: answer.channels ?? [], cursor: answer.response_metadata?.next_cursor };
    });
    return items.map(({ id }) => id).filter((id) => id !== undefined);
  }

  /** What was said in a conversation outside of threads, and began threads, after `from`. Throws a ChannelError. */
  messages(channel: string, from: bigint): Promise<Said> {
    const where = { channel, oldest: timeOf(from), limit: PAGE };
    return this.#said(from, async (cursor) => {
      const answer = await this.#ask((web) => web.conversations.history({ ...where, ...cursor }));
      return { items: (answer.messages ?? []) as Past[], cursor: answer.response_metadata?.next_cursor };
    });
  }

  /** What was said in a thread after `from`. Throws a ChannelError. */
  replies(channel: string, thread: string, from: bigint): Promise<Said> {
    const where = { channel, ts: thread, oldest: timeOf(from), limit: PAGE };
    return this.#said(from, async (cursor) => {
      const answer = await this.#ask((web) => web.conversations.replies({ ...where, ...cursor }));
      return { items: (answer.messages ?? []) as Past[], cursor: answer.response_metadata?.next_cursor };
    });
  }

  /** In the order of time, whichever way Slack turns the pages. The message a thread began with comes always. */
  async #said(from: bigint, ask: (cursor: { cursor?: string }) => Promise<Page<Past>>): Promise<Said> {
    const { items, more } = await this.#pages(MESSAGES_MAX, ask);
    const said = items.filter(({ ts }) => TIMES.numberOf(ts) > from);
    const byTime = (a: Past, b: Past): number => (TIMES.numberOf(a.ts) < TIMES.numberOf(b.ts) ? -1 : 1);
    return { messages: said.toSorted(byTime), more };
  }

  async #pages<T>(max: number, ask: (cursor: { cursor?: string }) => Promise<Page<T>>) {
    const items: T[] = [];
    let next: string | undefined;
    do {
      const page = await ask(next === undefined ? {} : { cursor: next });
      items.push(...page.items);
      // Empty where there is no more.
      next = page.cursor || undefined;
    } while (next !== undefined && items.length < max);
    return { items: items.slice(0, max), more: next !== undefined || items.length > max };
  }

  #ask<T>(run: (web: WebClient) => Promise<T>): Promise<T> {
    return patiently(this.#signal, () => this.#api.call('what was missed', this.#signal, run, { repeatable: true }));
  }
}

/** What was found, and whether there is more than is read. */
export interface Said {
  readonly messages: readonly Past[];
  readonly more: boolean;
}

/** A number as Slack's time. */
function timeOf(number: bigint): string {
  const micros = String(number % 1_000_000n).padStart(6, '0');
  return `${number / 1_000_000n}.${micros}`;
}
