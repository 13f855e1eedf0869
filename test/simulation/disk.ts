/** What a key may be in the tables of the store. */
export type Key = string | number | boolean | readonly (string | number)[];

/** One change of a table; without a value the key is removed. */
export interface Change {
  table: string;
  key: Key;
  value: Buffer | undefined;
}

/** The order of LMDB's keys: numbers, then strings; arrays by their parts, a shorter one first. */
export function compareKeys(a: Key, b: Key): number {
  if (Array.isArray(a) || Array.isArray(b)) return compareParts([a].flat() as Key[], [b].flat() as Key[]);
  if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
  return rank(a) - rank(b);
}

function compareParts(a: readonly Key[], b: readonly Key[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const order = compareKeys(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function rank(key: Key): number {
  return ['boolean', 'number', 'string'].indexOf(typeof key);
}

/** A table: its keys in order, and their values. */
export class Table {
  readonly #rows: { key: Key; value: Buffer }[];

  constructor(rows: { key: Key; value: Buffer }[] = []) {
    this.#rows = rows;
  }

  get rows(): readonly { key: Key; value: Buffer }[] {
    return this.#rows;
  }

  get(key: Key): Buffer | undefined {
    const row = this.#rows[this.position(key)];
    return row !== undefined && compareKeys(row.key, key) === 0 ? row.value : undefined;
  }

  /** Of the first row whose key is not before `key`. */
  position(key: Key): number {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareKeys(this.#rows[middle]!.key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  apply({ key, value }: Change): void {
    const at = this.position(key);
    const there = this.#rows[at] !== undefined && compareKeys(this.#rows[at].key, key) === 0 ? 1 : 0;
    if (value === undefined) this.#rows.splice(at, there);
    else this.#rows.splice(at, there, { key, value });
  }

  clone(): Table {
    return new Table([...this.#rows]);
  }
}

/** Several tables at one moment. */
export class Tables {
  readonly #tables = new Map<string, Table>();

  of(name: string): Table {
    const table = this.#tables.get(name) ?? new Table();
    this.#tables.set(name, table);
    return table;
  }

  apply(changes: readonly Change[]): void {
    for (const change of changes) this.of(change.table).apply(change);
  }

  clone(): Tables {
    const copy = new Tables();
    for (const [name, table] of this.#tables) copy.#tables.set(name, table.clone());
    return copy;
  }
}

/**
 * A disk under a database: what was committed can be read, and what was flushed survives. A commit is applied whole or not
 * at all, and commits become durable in their order.
 */
export class Disk {
  /** What can be read. */
  visible = new Tables();
  /** What a loss of power leaves, at least. */
  readonly durable = new Tables();
  /** No write fits any more. */
  full = false;
  #unflushed: (readonly Change[])[] = [];

  /** How many commits a loss of power may take. */
  get unflushed(): number {
    return this.#unflushed.length;
  }

  commit(changes: readonly Change[]): void {
    this.visible.apply(changes);
    this.#unflushed.push(changes);
  }

  /** Makes the oldest `count` commits durable. */
  flush(count: number): void {
    for (const changes of this.#unflushed.splice(0, count)) this.durable.apply(changes);
  }

  /** The power fails when the device had got as far as `kept` of the commits. */
  lose(kept: number): void {
    this.flush(kept);
    this.#unflushed = [];
    this.visible = this.durable.clone();
  }
}
