/** Bytes kept of one session's events, and how many it begins with. */
const BYTES_MAX = 64 * 1024;
const BYTES_MIN = 4 * 1024;

/**
 * The newest events of a session, for those who reconnect. In one piece of memory: kept as buffers of their own they
 * were most of what the garbage collector had to carry along.
 */
export class RecentEvents {
  #bytes: Buffer | undefined;
  /** Where each kept event ends. */
  #ends: number[] = [];

  /** Copies the event in; the oldest half makes room when there is none. */
  add(frame: Uint8Array): void {
    if (frame.length > BYTES_MAX) {
      this.#ends = []; // what came before cannot be replayed without it
      return;
    }
    const start = this.#ends.at(-1) ?? 0;
    const bytes = this.#withRoom(start, frame.length);
    const at = this.#ends.at(-1) ?? 0;
    bytes.set(frame, at);
    this.#ends.push(at + frame.length);
  }

  /** Copies of the newest `count`, oldest first; undefined when not all of them are kept. */
  newest(count: number): Buffer[] | undefined {
    const first = this.#ends.length - count;
    if (first < 0) return undefined;
    const bytes = this.#bytes as Buffer;
    return this.#ends.slice(first).map((end, i) => Buffer.from(bytes.subarray(this.#ends[first + i - 1] ?? 0, end)));
  }

  forget(): void {
    this.#ends = [];
  }

  #withRoom(used: number, needed: number): Buffer {
    if (this.#bytes === undefined || used + needed > this.#bytes.length) {
      const size = this.#bytes?.length ?? BYTES_MIN / 2;
      if (size < BYTES_MAX) this.#grow(Math.min(BYTES_MAX, Math.max(2 * size, used + needed)));
      else this.#dropUntil(used + needed - BYTES_MAX / 2);
    }
    return this.#bytes as Buffer;
  }

  #grow(size: number): void {
    const bytes = Buffer.allocUnsafeSlow(size);
    this.#bytes?.copy(bytes);
    this.#bytes = bytes;
  }

  /** Drops the events that begin before `offset`, and moves the others to the front. */
  #dropUntil(offset: number): void {
    const first = this.#ends.findIndex((end) => end >= offset) + 1;
    const moved = first === 0 ? this.#ends.length : first;
    const start = this.#ends[moved - 1] ?? 0;
    this.#bytes?.copyWithin(0, start, this.#ends.at(-1) ?? 0);
    this.#ends = this.#ends.slice(moved).map((end) => end - start);
  }
}
