/**
 * Ends the talk of two bots that answer each other: after 20 messages of bots within 60 s in one chat the bots there are
 * not answered for 60 s. People always are. (The numbers are OpenClaw's.)
 *
 *     if (sender.bot && guard.count(chatKey(chat)) !== 'run') return;   // for each message of a bot that would run
 *
 * In memory: a restart ends a pause.
 */

import type { Clock } from '../runtime/clock.ts';

/** Messages of bots in one chat, answered within {@link WINDOW_MS}. */
export const BOT_MESSAGES_MAX = 20;
export const WINDOW_MS = 60_000;
export const PAUSE_MS = 60_000;
/** Chats looked after at once, about 300 bytes each; past it the one that was silent the longest is forgotten. */
export const CHATS_MAX = 1_000;

interface BotChat {
  /** When the last messages came, the oldest first. */
  times: number[];
  pausedUntil: number;
}

export class BotLoopGuard {
  readonly #clock: Pick<Clock, 'elapsed'>;
  /** By chat, the one that was silent the longest first. */
  readonly #chats = new Map<string, BotChat>();

  constructor(clock: Pick<Clock, 'elapsed'>) {
    this.#clock = clock;
  }

  /** Counts a message of a bot. `paused`: it is not to be answered; `pauses`: neither, and it is the first, worth a log line. */
  count(chat: string): 'run' | 'pauses' | 'paused' {
    const now = this.#clock.elapsed();
    const state = this.#chats.get(chat) ?? { times: [], pausedUntil: 0 };
    this.#chats.delete(chat);
    this.#chats.set(chat, state);
    const [oldest] = this.#chats.keys();
    if (this.#chats.size > CHATS_MAX && oldest !== undefined) this.#chats.delete(oldest);
    if (now < state.pausedUntil) return 'paused';
    state.times = state.times.filter((at) => now - at < WINDOW_MS);
    if (state.times.length < BOT_MESSAGES_MAX) {
      state.times.push(now);
      return 'run';
    }
    state.times = [];
    state.pausedUntil = now + PAUSE_MS;
    return 'pauses';
  }
}
