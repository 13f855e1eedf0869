/** Bytes kept of one session's events. */
const BYTES_MAX = 64 * 1024;
/** Memory for events is given out and taken back in pieces of this size: a message and its answer take about as much. */
const CHUNK_BYTES = 2 * 1024;
/** Bytes kept of all sessions of a shard: those that published longest ago go first. */
const POOL_BYTES_MAX = 16 * 1024 * 1024;
/** Chunks that wait for their next use: 1 MiB. */
const FREE_MAX = 512;
/** Before each event in a chunk stands its length, as a 32-bit integer. */
const LENGTH_BYTES = 4;

/**
 * The newest events of the sessions of one shard, for those who reconnect. Bounded together: a session that is in memory
 * and has not said anything for long need not keep what nobody will ask for.
 */
export class RecentEventsPool {
  readonly #bytesMax: number;
  /** In the order in which they last took a chunk. */
  readonly #used = new Set<RecentEvents>();
  readonly #free: Buffer[] = [];
  #bytes = 0;

  constructor(bytesMax = POOL_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Memory of `size` bytes or a few more; those whose turn it is lose theirs for it. */
  take(recent: RecentEvents, size: number): Chunk {
    const bytes = size > CHUNK_BYTES ? Buffer.allocUnsafeSlow(size) : this.#chunkBytes();
    this.#used.delete(recent);
    this.#used.add(recent);
    this.#bytes += bytes.length;
    if (this.#bytes > this.#bytesMax) this.#makeRoom(recent);
    return new Chunk(bytes);
  }

  /** It is not used any more. */
  giveBack({ bytes }: Chunk): void {
    this.#bytes -= bytes.length;
    if (bytes.length === CHUNK_BYTES && this.#free.length < FREE_MAX) this.#free.push(bytes);
  }

  /** All its chunks were given back. */
  forgotten(recent: RecentEvents): void {
    this.#used.delete(recent);
  }

  #chunkBytes(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  }

  #makeRoom(taker: RecentEvents): void {
    for (const oldest of this.#used) {
      if (this.#bytes <= this.#bytesMax || oldest === taker) break;
      oldest.forget();
    }
  }
}

/** A piece of memory with whole events in it, one behind the other. */
class Chunk {
  readonly bytes: Buffer;
  count = 0;
  #used = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  hasRoom(frame: Uint8Array): boolean {
    return this.#used + LENGTH_BYTES + frame.length <= this.bytes.length;
  }

  add(frame: Uint8Array): void {
    const at = this.bytes.writeUInt32LE(frame.length, this.#used);
    this.bytes.set(frame, at);
    this.#used = at + frame.length;
    this.count += 1;
  }

  /** Copies of its events, oldest first. */
  *events(): Generator<Buffer> {
    for (let at = 0; at < this.#used; ) {
      const start = at + LENGTH_BYTES;
      const end = start + this.bytes.readUInt32LE(at);
      yield Buffer.from(this.bytes.subarray(start, end));
      at = end;
    }
  }
}

/**
 * The newest events of a session, in a few larger pieces of memory: kept as buffers of their own they were most of what
 * the garbage collector had to carry along.
 */
export class RecentEvents {
  readonly #pool: RecentEventsPool;
  readonly #chunks: Chunk[] = [];
  #bytes = 0;
  #count = 0;

  constructor(pool: RecentEventsPool) {
    this.#pool = pool;
  }

  /** Copies the event in; the oldest make room when there is none. */
  add(frame: Uint8Array): void {
    let newest = this.#chunks.at(-1);
    if (newest === undefined || !newest.hasRoom(frame)) {
      const size = LENGTH_BYTES + frame.length;
      if (size > BYTES_MAX) {
        this.forget(); // what came before cannot be replayed without it
        return;
      }
      while (this.#bytes + Math.max(size, CHUNK_BYTES) > BYTES_MAX) this.#dropOldest();
      newest = this.#pool.take(this, size);
      this.#chunks.push(newest);
      this.#bytes += newest.bytes.length;
    }
    newest.add(frame);
    this.#count += 1;
  }

  /** Copies of the newest `count`, oldest first; undefined when not all of them are kept. */
  newest(count: number): Buffer[] | undefined {
    if (count > this.#count) return undefined;
    let first = this.#chunks.length;
    let found = 0;
    while (found < count) found += this.#chunks[--first]!.count;
    const events = this.#chunks.slice(first).flatMap((chunk) => [...chunk.events()]);
    return events.slice(found - count);
  }

  /** Forgets all of them, and gives back their memory. */
  forget(): void {
    while (this.#chunks.length > 0) this.#dropOldest();
    this.#pool.forgotten(this);
  }

  #dropOldest(): void {
    const chunk = this.#chunks.shift()!;
    this.#bytes -= chunk.bytes.length;
    this.#count -= chunk.count;
    this.#pool.giveBack(chunk);
  }
}
