/** Rate limits of the local Discord: of a channel's messages, told in headers before they are reached, and of the bot. */
import type { ServerResponse } from 'node:http';
import { Refusal } from './discord-bodies.ts';

export class DiscordLimits {
  /** Messages that may be created in a channel in the time; undefined: any number. */
  messages: { readonly limit: number; readonly windowMs: number } | undefined;
  /** Until when every request gets 429. */
  globalUntil = 0;
  readonly #buckets = new Map<string, { left: number; resetAt: number }>();

  /** Throws while the whole bot is limited. */
  checkGlobal(): void {
    if (Date.now() < this.globalUntil) throw limited(this.globalUntil - Date.now(), true);
  }

  /** Counts a message of the channel, or throws. */
  checkMessage(response: ServerResponse, channel: string): void {
    if (!this.messages) return;
    const { limit, windowMs } = this.messages;
    let bucket = this.#buckets.get(channel);
    if (!bucket || bucket.resetAt <= Date.now()) {
      bucket = { left: limit, resetAt: Date.now() + windowMs };
      this.#buckets.set(channel, bucket);
    }
    const resetMs = bucket.resetAt - Date.now();
    const over = bucket.left === 0;
    if (!over) bucket.left -= 1;
    response.setHeader('X-RateLimit-Limit', limit);
    response.setHeader('X-RateLimit-Remaining', bucket.left);
    response.setHeader('X-RateLimit-Reset-After', resetMs / 1_000);
    response.setHeader('X-RateLimit-Bucket', 'bucket-of-messages');
    if (over) throw limited(resetMs, false);
  }
}

/** 429. `shared`: the limit is of the channel for everybody, and no bucket's. */
export function limited(retryMs: number, global: boolean, shared = false): Refusal {
  const seconds = retryMs / 1_000;
  const body = { message: 'You are being rate limited.', retry_after: seconds, global };
  return new Refusal(429, body, {
    'Retry-After': String(seconds),
    'X-RateLimit-Scope': global ? 'global' : shared ? 'shared' : 'user',
    ...(global ? { 'X-RateLimit-Global': 'true' } : {}),
  });
}
