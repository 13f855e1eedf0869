/**
 * Being online. The phone stays quiet while a linked device of its owner is online, so the account is only while it types:
 * people see somebody type only who is online.
 */
import type { Socket } from './library.ts';

/** The account goes offline when it has not typed for this long. */
const ONLINE_MS = 30_000;

export class Presence {
  #away: NodeJS.Timeout | undefined;

  async typing(socket: Socket, jid: string): Promise<void> {
    if (this.#away === undefined) await socket.sendPresenceUpdate('available');
    this.stop();
    this.#away = setTimeout(() => {
      this.#away = undefined;
      socket.sendPresenceUpdate('unavailable').catch(() => undefined);
    }, ONLINE_MS);
    await socket.sendPresenceUpdate('composing', jid);
  }

  /** For a connection that ends: the next begins offline. */
  stop(): void {
    clearTimeout(this.#away);
    this.#away = undefined;
  }
}
