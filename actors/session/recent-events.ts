/** Bytes kept of one session's events, and how many it begins with. */
const BYTES_MAX = 64 * 1024;
const BYTES_MIN = 2 * 1024;
/** Bytes kept of all sessions of a shard: those that published longest ago go first. */
const POOL_BYTES_MAX = 16 * 1024 * 1024;

/**
 * The newest events of the sessions of one shard, for those who reconnect. Bounded together: a session that is in memory
 * and has not said anything for long need not keep what nobody will ask for.
 */
export class RecentEventsPool {
  readonly #bytesMax: number;
  /** In the order of their last event. */
  readonly #used = new Set<RecentEvents>();
  #bytes = 0;

  constructor(bytesMax = POOL_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** To be called when events have been added; `grown`: how many bytes more they take. */
  touch(recent: RecentEvents, grown: number): void {
    this.#used.delete(recent);
    this.#used.add(recent);
    this.#bytes += grown;
    if (this.#bytes <= this.#bytesMax) return;
    for (const oldest of this.#used) {
      if (this.#bytes <= this.#bytesMax || oldest === recent) break;
      oldest.forget();
    }
  }

  /** They take no memory any more. */
  dropped(recent: RecentEvents, bytes: number): void {
    if (this.#used.delete(recent)) this.#bytes -= bytes;
  }
}

/**
 * The newest events of a session. In one piece of memory: kept as buffers of their own they were most of what the garbage
 * collector had to carry along.
 */
export class RecentEvents {
  readonly #pool: RecentEventsPool;
  #bytes: Buffer | undefined;
  /** Where each kept event ends. */
  #ends: number[] = [];

  constructor(pool: RecentEventsPool) {
    this.#pool = pool;
  }

  /** Copies the event in; the oldest half makes room when there is none. */
  add(frame: Uint8Array): void {
    if (frame.length > BYTES_MAX) {
      this.#ends = []; // what came before cannot be replayed without it
      return;
    }
    const before = this.#bytes?.length ?? 0;
    const start = this.#ends.at(-1) ?? 0;
    const bytes = this.#withRoom(start, frame.length);
    const at = this.#ends.at(-1) ?? 0;
    bytes.set(frame, at);
    this.#ends.push(at + frame.length);
    this.#pool.touch(this, bytes.length - before);
  }

  /** Copies of the newest `count`, oldest first; undefined when not all of them are kept. */
  newest(count: number): Buffer[] | undefined {
    const first = this.#ends.length - count;
    if (first < 0) return undefined;
    const bytes = this.#bytes as Buffer;
    return this.#ends.slice(first).map((end, i) => Buffer.from(bytes.subarray(this.#ends[first + i - 1] ?? 0, end)));
  }

  /** Forgets all of them, and gives back their memory. */
  forget(): void {
    this.#pool.dropped(this, this.#bytes?.length ?? 0);
    this.#bytes = undefined;
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
