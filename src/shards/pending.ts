import type { Receiver } from './receiver.ts';

/** A request a shard has and did not answer. */
export interface Pending {
  receiver: Receiver;
  /** The client's id of the request. */
  id: string;
}

/**
 * The requests a shard owes an answer, each under a small number that is used again once it was answered. An array with
 * a list of free places: a Map that is filled and emptied half a million times a second costs several times as much.
 */
export class PendingRequests {
  readonly #slots: (Pending | undefined)[] = [];
  readonly #free: number[] = [];

  add(receiver: Receiver, id: string): number {
    const number = this.#free.pop() ?? this.#slots.length;
    this.#slots[number] = { receiver, id };
    return number;
  }

  receiverOf(number: number): Receiver | undefined {
    return this.#slots[number]?.receiver;
  }

  remove(number: number): void {
    if (this.#slots[number] === undefined) return;
    this.#slots[number] = undefined;
    this.#free.push(number);
  }

  /** Takes all of them. */
  takeAll(): Pending[] {
    const all = this.#slots.filter((slot) => slot !== undefined);
    this.#slots.length = 0;
    this.#free.length = 0;
    return all;
  }
}
