/** What comes, one after the other in each channel, until the gateway has kept it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { AdapterEvents, InboundMessage } from '../adapter.ts';

/** Work that waits or is done. Beyond it nothing is taken; it is asked for again later (`../position.ts`). */
const WAITING_MAX = 2_000;
/** Pauses between the tries to have a message kept, in milliseconds: Discord itself delivers it only once. */
const PAUSES_MS = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000];

export class Inbox {
  readonly #events: AdapterEvents;
  readonly #tails = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();
  #waiting = 0;
  #full = false;

  constructor(events: AdapterEvents) {
    this.#events = events;
  }

  /** Does the work after all that came before in the channel. False: there is no room for it. */
  add(channel: string, work: () => Promise<void>): boolean {
    if (this.#waiting >= WAITING_MAX) {
      if (!this.#full)
        this.#events.log.error({ waiting: this.#waiting }, 'too much from Discord waits: the rest is left');
      this.#full = true;
      return false;
    }
    if (this.#waiting < WAITING_MAX / 2) this.#full = false;
    this.#waiting += 1;
    const tail = (this.#tails.get(channel) ?? Promise.resolve()).then(() => this.#do(channel, work));
    this.#tails.set(channel, tail);
    void tail.then(() => {
      this.#waiting -= 1;
      if (this.#tails.get(channel) === tail) this.#tails.delete(channel);
    });
    return true;
  }

  /** Whether the message was kept, after a few tries. */
  async keep(message: InboundMessage): Promise<boolean> {
    for (let tries = 0; !this.#stopping.signal.aborted; tries += 1) {
      try {
        await this.#events.receive(message);
        return true;
      } catch (error) {
        const pause = PAUSES_MS[tries];
        const { update } = message;
        if (pause === undefined) {
          this.#events.log.error({ update, error }, 'a message from Discord could not be kept, and is given up');
          return false;
        }
        this.#events.log.warn({ update, error }, 'a message from Discord could not be kept yet');
        await delay(pause, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
    return false;
  }

  /** Nothing is received any more. */
  stop(): void {
    this.#stopping.abort();
  }

  async #do(channel: string, work: () => Promise<void>): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    try {
      await work();
    } catch (error) {
      this.#events.log.error({ channel, error }, 'something from Discord could not be read; it is passed over');
    }
  }
}
