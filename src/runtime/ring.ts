/** Slots of a new ring; most mailboxes never hold more at once. A power of two, as every capacity is. */
const CAPACITY_MIN = 4;
/** An emptied ring larger than this gives its slots back; a smaller one is kept for the next burst. */
const CAPACITY_KEPT = 1_024;

/** A first-in, first-out queue in a circular array that doubles when full: push and shift without moving anything. */
export class Ring<T> {
  length = 0;
  private head = 0;
  private slots: (T | undefined)[] = slots(CAPACITY_MIN);

  push(item: T): void {
    if (this.length === this.slots.length) this.grow();
    this.slots[(this.head + this.length) & (this.slots.length - 1)] = item;
    this.length += 1;
  }

  /** Puts `item` before all others. */
  unshift(item: T): void {
    if (this.length === this.slots.length) this.grow();
    this.head = (this.head - 1) & (this.slots.length - 1);
    this.slots[this.head] = item;
    this.length += 1;
  }

  /** The oldest, left where it is. */
  peek(): T | undefined {
    return this.slots[this.head];
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.slots[this.head];
    this.slots[this.head] = undefined;
    this.head = (this.head + 1) & (this.slots.length - 1);
    this.length -= 1;
    if (this.length === 0 && this.slots.length > CAPACITY_KEPT) this.clear();
    return item;
  }

  /** Takes out every item that `matches`, keeping the order of the rest, and says how many. Linear. */
  removeWhere(matches: (item: T) => boolean): number {
    const kept = [...this].filter((item) => !matches(item));
    const removed = this.length - kept.length;
    if (removed === 0) return 0;
    this.clear();
    for (const item of kept) this.push(item);
    return removed;
  }

  *[Symbol.iterator](): Generator<T, void> {
    for (let i = 0; i < this.length; i++) yield this.slots[(this.head + i) & (this.slots.length - 1)] as T;
  }

  private clear(): void {
    this.slots = slots(CAPACITY_MIN);
    this.head = 0;
    this.length = 0;
  }

  private grow(): void {
    const items: (T | undefined)[] = [...this];
    this.slots = items.concat(slots(items.length));
    this.head = 0;
  }
}

function slots(count: number): undefined[] {
  return new Array(count).fill(undefined);
}
