/**
 * One direction of a shard link: a ring of records in shared memory with one writing and one reading thread. Records are
 * written where they are read, so that crossing threads costs two copies of a few bytes and no object; a message port
 * is used only as a doorbell, when the reader sleeps. Chosen over packed batches by `postMessage` after measuring both:
 * `docs/decisions/001-shard-link.md`.
 *
 * Layout: `head`, `tail`, `asleep`, `blocked` (a 32-bit word each, on cache lines of their own: two threads that write
 * beside each other's words would slow each other down), then the data. Positions count bytes modulo 2^32; the capacity
 * is a power of two. A record is three words (length, number, kind | key length << 8), the key, the payload,
 * padded to a word; it never wraps: where it does not fit before the end, a skip mark fills the rest.
 */

const HEAD = 0;
const TAIL = 32;
/** 1: the reader found nothing and waits for the doorbell. */
const ASLEEP = 64;
/** 1: the writer found no room and waits for the doorbell. */
const BLOCKED = 96;
const CONTROL_BYTES = 512;
const HEADER_BYTES = 12;
const SKIP = 0xffff_ffff;
const KEY_LENGTH_MAX = 0xffff;

/**
 * Bytes of one direction. Holds four of the largest frames; pages that are never reached are never resident, but a busy
 * ring touches all of them in turn.
 */
export const RING_BYTES = 4 * 1024 * 1024;

export function createRing(bytes = RING_BYTES): SharedArrayBuffer {
  if ((bytes & (bytes - 1)) !== 0) throw new RangeError(`a ring's size is a power of two, not ${bytes}`);
  return new SharedArrayBuffer(CONTROL_BYTES + bytes);
}

/** The writing end. `wake` rings the reader's doorbell. */
export class RingWriter {
  readonly #control: Int32Array;
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #capacity: number;
  readonly #wake: () => void;
  #head: number;
  /** The reader's position when it was last looked at: it can only have moved on. */
  #tail: number;

  constructor(ring: SharedArrayBuffer, wake: () => void) {
    this.#control = new Int32Array(ring, 0, CONTROL_BYTES / 4);
    this.#words = new Uint32Array(ring, CONTROL_BYTES);
    this.#bytes = new Uint8Array(ring, CONTROL_BYTES);
    this.#capacity = this.#bytes.length;
    this.#wake = wake;
    this.#head = Atomics.load(this.#control, HEAD) >>> 0;
    this.#tail = Atomics.load(this.#control, TAIL) >>> 0;
  }

  /**
   * Writes one record; {@link ring} tells a sleeping reader. False: there is no room now, nothing was written, and the
   * reader will ring back when there is. `key` is ASCII. Throws a RangeError on a record of more than half the ring.
   */
  write(kind: number, number: number, key: string, payload: Uint8Array): boolean {
    const length = HEADER_BYTES + key.length + payload.length;
    const padded = (length + 3) & ~3;
    if (padded > this.#capacity / 2 || key.length > KEY_LENGTH_MAX) {
      throw new RangeError(`a record of ${length} bytes does not fit the ring`);
    }
    let offset = this.#head & (this.#capacity - 1);
    const toEnd = this.#capacity - offset;
    const needed = padded <= toEnd ? padded : toEnd + padded;
    if (needed > this.#free() && !this.#lookForRoom(needed)) return false;
    if (padded > toEnd) {
      this.#words[offset >> 2] = SKIP;
      offset = 0;
    }
    const word = offset >> 2;
    this.#words[word] = length;
    this.#words[word + 1] = number;
    this.#words[word + 2] = kind | (key.length << 8);
    let at = offset + HEADER_BYTES;
    for (let i = 0; i < key.length; i++) this.#bytes[at++] = key.charCodeAt(i);
    this.#bytes.set(payload, at);
    this.#head = (this.#head + needed) >>> 0;
    Atomics.store(this.#control, HEAD, this.#head | 0);
    return true;
  }

  /** Wakes the reader, if it sleeps. */
  ring(): void {
    if (Atomics.load(this.#control, ASLEEP) === 1 && Atomics.exchange(this.#control, ASLEEP, 0) === 1) this.#wake();
  }

  #free(): number {
    return this.#capacity - ((this.#head - this.#tail) >>> 0);
  }

  /** Looks where the reader is by now; says that the writer waits, and looks once more before it does. */
  #lookForRoom(needed: number): boolean {
    this.#tail = Atomics.load(this.#control, TAIL) >>> 0;
    if (needed <= this.#free()) return true;
    Atomics.store(this.#control, BLOCKED, 1);
    this.#tail = Atomics.load(this.#control, TAIL) >>> 0;
    if (needed > this.#free()) return false;
    Atomics.store(this.#control, BLOCKED, 0);
    return true;
  }
}

/** The reading end: a cursor. `wake` rings the doorbell of a writer that waits for room. */
export class RingReader {
  readonly #control: Int32Array;
  readonly #words: Uint32Array;
  readonly #bytes: Buffer;
  readonly #capacity: number;
  readonly #wake: () => void;
  #tail: number;
  #next: number;
  /** The writer's position when it was last looked at. */
  #head: number;
  #offset = 0;
  #length = 0;
  #allowed = 0;

  constructor(ring: SharedArrayBuffer, wake: () => void) {
    this.#control = new Int32Array(ring, 0, CONTROL_BYTES / 4);
    this.#words = new Uint32Array(ring, CONTROL_BYTES);
    this.#bytes = Buffer.from(ring as unknown as ArrayBuffer, CONTROL_BYTES);
    this.#capacity = this.#bytes.length;
    this.#wake = wake;
    this.#tail = this.#next = this.#head = Atomics.load(this.#control, TAIL) >>> 0;
  }

  /**
   * Begins a batch of up to `records` records, or a quarter of the ring. Their payloads stay valid, and their room taken,
   * until {@link release}.
   */
  begin(records: number): void {
    this.#allowed = records;
  }

  /** Steps to the next record of the batch. False: there is none now, or the batch is full. */
  next(): boolean {
    const read = (this.#next - this.#tail) >>> 0;
    if (this.#allowed === 0 || read > this.#capacity / 4) return false;
    if (this.#next === this.#head) {
      this.#head = Atomics.load(this.#control, HEAD) >>> 0;
      if (this.#next === this.#head) return false;
    }
    let offset = this.#next & (this.#capacity - 1);
    let skipped = 0;
    if (this.#words[offset >> 2] === SKIP) {
      skipped = this.#capacity - offset;
      offset = 0;
    }
    this.#allowed--;
    this.#offset = offset;
    this.#length = this.#words[offset >> 2] as number;
    this.#next = (this.#next + skipped + ((this.#length + 3) & ~3)) >>> 0;
    return true;
  }

  get kind(): number {
    return (this.#words[(this.#offset >> 2) + 2] as number) & 0xff;
  }

  get number(): number {
    return this.#words[(this.#offset >> 2) + 1] as number;
  }

  get key(): string {
    const start = this.#offset + HEADER_BYTES;
    return this.#bytes.latin1Slice(start, start + this.#keyLength);
  }

  /** The payload in shared memory: valid until {@link release}. */
  get payload(): Buffer {
    return this.#bytes.subarray(this.#offset + HEADER_BYTES + this.#keyLength, this.#offset + this.#length);
  }

  /** Ends the batch: gives back its room, and rings a writer that waits for it. */
  release(): void {
    if (this.#next === this.#tail) return;
    this.#tail = this.#next;
    Atomics.store(this.#control, TAIL, this.#tail | 0);
    if (Atomics.load(this.#control, BLOCKED) === 1 && Atomics.exchange(this.#control, BLOCKED, 0) === 1) this.#wake();
  }

  /** To be called when {@link next} found nothing: true when the reader may sleep until its doorbell rings. */
  sleep(): boolean {
    Atomics.store(this.#control, ASLEEP, 1);
    if (this.#tail === Atomics.load(this.#control, HEAD) >>> 0) return true;
    Atomics.store(this.#control, ASLEEP, 0);
    return false;
  }

  get #keyLength(): number {
    return (this.#words[(this.#offset >> 2) + 2] as number) >>> 8;
  }
}
