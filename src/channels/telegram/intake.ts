/**
 * From an update to the account. Polling and webhook both hand their updates in here, in Telegram's order, and learn when one
 * is done. None waits for another: whoever receives keeps the order of a chat, and joins what was said in quick succession.
 */
import type { Update } from 'grammy/types';
import type { AdapterEvents } from '../adapter.ts';
import type { TelegramClient } from './connect.ts';
import { type LoadFile, migrationOf, type Self, toInbound, toPress } from './normalize.ts';

/** Longest text Telegram shows to whoever pressed a button. */
const ANSWER_LENGTH_MAX = 200;

export class Intake {
  readonly #client: TelegramClient;
  readonly #events: AdapterEvents;
  readonly #self: Self;
  readonly #load: LoadFile;
  readonly #signal: AbortSignal;
  #underWay = 0;

  constructor(client: TelegramClient, events: AdapterEvents, self: Self, load: LoadFile, signal: AbortSignal) {
    this.#client = client;
    this.#events = events;
    this.#self = self;
    this.#load = load;
    this.#signal = signal;
  }

  /** Updates that are not done yet. */
  get underWay(): number {
    return this.#underWay;
  }

  /**
   * Resolves with true when the update is done and Telegram may forget it; with false when it could not be kept and Telegram
   * should deliver it again. Never rejects.
   */
  async take(update: Update): Promise<boolean> {
    this.#underWay += 1;
    const done = await this.#handle(update);
    this.#underWay -= 1;
    return done;
  }

  async #handle(update: Update): Promise<boolean> {
    if (this.#signal.aborted) return false;
    let message: ReturnType<typeof toInbound>;
    let press: ReturnType<typeof toPress>;
    try {
      message = toInbound(update, this.#self, this.#load);
      press = toPress(update);
    } catch (error) {
      // Asking for it again would give the same again, and hold up all that comes after it.
      this.#events.log.error(
        { error, update: update.update_id },
        'an update of Telegram was not understood and is lost',
      );
      return true;
    }
    const moved = migrationOf(update);
    if (moved !== undefined) {
      this.#events.log.warn(
        moved,
        'a group became a supergroup and has a new id: lists of groups must name the new one',
      );
    }
    try {
      if (message !== undefined) await this.#events.receive(message);
      if (press !== undefined) await this.#answer(update, await this.#events.press(press));
      return true;
    } catch (error) {
      this.#events.log.warn({ error, update: update.update_id }, 'an update could not be kept and is asked for again');
      return false;
    }
  }

  /** Ends the waiting sign on the button. That it fails is no reason to press again: Telegram takes answers for a while only. */
  async #answer({ callback_query: query }: Update, text: string): Promise<void> {
    try {
      await this.#client.call('the answer to a button', this.#signal, (api, sign) =>
        api.answerCallbackQuery({ callback_query_id: query!.id, text: text.slice(0, ANSWER_LENGTH_MAX) }, sign),
      );
    } catch (error) {
      this.#events.log.info({ error }, 'who pressed a button was not answered');
    }
  }
}
