import type { Receiver, Subscribers } from '../shards/receiver.ts';

/** Which connections hear which session. */
export class Topics implements Subscribers {
  readonly #bySession = new Map<string, Set<Receiver>>();

  of(session: string): ReadonlySet<Receiver> | undefined {
    return this.#bySession.get(session);
  }

  add(session: string, receiver: Receiver): void {
    const subscribers = this.#bySession.get(session);
    if (subscribers === undefined) this.#bySession.set(session, new Set([receiver]));
    else subscribers.add(receiver);
  }

  remove(session: string, receiver: Receiver): void {
    const subscribers = this.#bySession.get(session);
    if (subscribers?.delete(receiver) && subscribers.size === 0) this.#bySession.delete(session);
  }
}
