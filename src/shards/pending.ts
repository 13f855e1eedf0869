import type { Receiver } from './receiver.ts';

/** A request a shard has and did not answer. */
export interface Pending {
  receiver: Receiver;
  /** The client's id of the request. */
  id: string;
}

/**
 * The requests a shard owes an answer, each under a small number that is used again once it was answered. Two arrays and
 * a list of free places: a Map that is filled and emptied half a million times a second costs several times as much.
 */
export class PendingRequests {
  readonly #receivers: (Receiver | undefined)[] = [];
  readonly #ids: string[] = [];
  readonly #free: number[] = [];

  add(receiver: Receiver, id: string): number {
    const number = this.#free.pop() ?? this.#receivers.length;
    this.#receivers[number] = receiver;
    this.#ids[number] = id;
    return number;
  }

  receiverOf(number: number): Receiver | undefined {
    return this.#receivers[number];
  }

  remove(number: number): void {
    if (this.#receivers[number] === undefined) return;
    this.#receivers[number] = undefined;
    this.#free.push(number);
  }

  /** Takes all of them. */
  takeAll(): Pending[] {
    const all = this.#receivers.flatMap((receiver, number) =>
      receiver === undefined ? [] : [{ receiver, id: this.#ids[number] as string }],
    );
    this.#receivers.length = this.#ids.length = this.#free.length = 0;
    return all;
  }
}
