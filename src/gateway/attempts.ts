/** Failed attempts to log in, per address: after too many, the address is locked out for a while. */

/** Failures within the window that lock an address out. */
export const FAILURES_MAX = 10;
export const FAILURE_WINDOW_MS = 60_000;
export const LOCKOUT_MS = 300_000;
/** Addresses that are remembered; the one whose last failure is the longest ago makes room. */
export const ADDRESSES_MAX = 100_000;

/**
 * Exact: the times of the last ten failures of each address are kept, in one array of numbers for all of them (80 bytes an
 * address, 8 MB in all when it is full), so that an attack from many addresses costs no object each.
 */
export class FailedAttempts {
  readonly #slots = new Map<string, number>();
  readonly #now: () => number;
  readonly #free: number[] = [];
  /** FAILURES_MAX times for each slot, a ring. */
  #times = new Float64Array(64 * FAILURES_MAX);
  /** Failures of each slot since it was taken. */
  #counts = new Float64Array(64);
  #lockedUntil = new Float64Array(64);

  /** @param now a clock in milliseconds that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Addresses that are remembered now. */
  get size(): number {
    return this.#slots.size;
  }

  /** Milliseconds until the address may try again; 0: it may now. */
  lockedForMs(address: string): number {
    const slot = this.#slots.get(address);
    return slot === undefined ? 0 : Math.max(0, Math.ceil((this.#lockedUntil[slot] ?? 0) - this.#now()));
  }

  /** Counts one failure. True when it is the one that locks the address out. */
  failed(address: string): boolean {
    const now = this.#now();
    const slot = this.#slots.get(address) ?? this.#take();
    // To the end of the map's order: the first one is always the one that failed the longest ago.
    this.#slots.delete(address);
    this.#slots.set(address, slot);
    const count = this.#counts[slot] ?? 0;
    const place = slot * FAILURES_MAX + (count % FAILURES_MAX);
    this.#times[place] = now;
    this.#counts[slot] = count + 1;
    const oldest = this.#times[slot * FAILURES_MAX + ((count + 1) % FAILURES_MAX)] ?? 0;
    if (count + 1 < FAILURES_MAX || now - oldest >= FAILURE_WINDOW_MS) return false;
    this.#lockedUntil[slot] = now + LOCKOUT_MS;
    this.#counts[slot] = 0;
    return true;
  }

  #take(): number {
    this.#forgetOldest();
    const slot = this.#free.pop() ?? this.#slots.size;
    if (slot >= this.#counts.length) this.#grow();
    this.#counts[slot] = 0;
    this.#lockedUntil[slot] = 0;
    return slot;
  }

  /** Makes room at the limit, and forgets up to two addresses whose failures do not count any more. */
  #forgetOldest(): void {
    const now = this.#now();
    let looked = 0;
    for (const [address, slot] of this.#slots) {
      const full = this.#slots.size >= ADDRESSES_MAX;
      const count = this.#counts[slot] ?? 0;
      const last = this.#times[slot * FAILURES_MAX + ((count + FAILURES_MAX - 1) % FAILURES_MAX)] ?? 0;
      const over = now - last >= FAILURE_WINDOW_MS && (this.#lockedUntil[slot] ?? 0) <= now;
      if (!full && (!over || looked === 2)) return;
      looked += 1;
      this.#slots.delete(address);
      this.#free.push(slot);
    }
  }

  #grow(): void {
    const larger = (array: Float64Array): Float64Array<ArrayBuffer> => {
      const copy = new Float64Array(array.length * 2);
      copy.set(array);
      return copy;
    };
    this.#times = larger(this.#times);
    this.#counts = larger(this.#counts);
    this.#lockedUntil = larger(this.#lockedUntil);
  }
}
