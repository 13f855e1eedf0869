/** How the account stands: ready, or what stands in its way. The state is told when it changes, and not more often. */
import type { AdapterEvents, ChannelError, ChannelState } from '../adapter.ts';

/**
 * `connection`: Telegram cannot be asked; `stall`: it has updates and does not give them; `keeping`: they cannot be kept on our
 * side; `webhook`: Telegram does not reach it, or calls another.
 */
export type Trouble = 'connection' | 'stall' | 'keeping' | 'webhook';

export class Standing {
  readonly #events: AdapterEvents;
  readonly #troubles = new Map<Trouble, string>();
  #told = '';

  constructor(events: AdapterEvents) {
    this.#events = events;
  }

  /** Something works: from the first time on the account is ready, unless something else does not. */
  well(trouble: Trouble): void {
    this.#troubles.delete(trouble);
    this.#tell();
  }

  /** Something does not work, for a reason that may be shown. */
  ill(trouble: Trouble, reason: string): void {
    this.#troubles.set(trouble, reason);
    this.#tell();
  }

  connecting(): void {
    this.#say('connecting');
  }

  /** The token is not good any more: nothing is tried again. */
  loggedOut({ message }: ChannelError): void {
    this.#say('logged-out', `${message}: BotFather shows the token that is good, or gives a new one`);
  }

  #tell(): void {
    const [reason] = this.#troubles.values();
    this.#say(reason === undefined ? 'ready' : 'degraded', reason);
  }

  #say(state: ChannelState, reason?: string): void {
    const told = `${state} ${reason ?? ''}`;
    if (told === this.#told) return;
    this.#told = told;
    this.#events.state(state, reason);
  }
}
