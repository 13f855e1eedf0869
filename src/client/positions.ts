import type { RequestData } from '../protocol/messages.ts';

/** Where a client is in the events of a session: the newest it has seen. */
export interface Position {
  epoch: string;
  seq: number;
}

/** The sessions a client is subscribed to, and its place in each: so that no event comes twice, and none goes missing. */
export class Positions {
  /** Undefined: subscribed by sending a message, and no event of it has come yet. */
  readonly #bySession = new Map<string, Position | undefined>();

  has(session: string): boolean {
    return this.#bySession.has(session);
  }

  /** Subscribed from here on. */
  add(session: string, position?: Position): void {
    const known = this.#bySession.get(session);
    // The events that were replayed before the reply have moved it on already.
    if (position && known?.epoch === position.epoch && known.seq > position.seq) return;
    this.#bySession.set(session, position ?? known);
  }

  remove(session: string): void {
    this.#bySession.delete(session);
  }

  /** Notes an event. False: it was seen before. */
  advance(session: string, { epoch, seq }: Position): boolean {
    const known = this.#bySession.get(session);
    if (known?.epoch === epoch && seq <= known.seq) return false;
    this.#bySession.set(session, { epoch, seq });
    return true;
  }

  /** What to ask of a new connection to go on where the last one ended. */
  resumptions(): RequestData<'subscribe'>[] {
    return [...this.#bySession].map(([session, position]) => ({
      session,
      ...(position && { after: position.seq, epoch: position.epoch }),
    }));
  }
}
