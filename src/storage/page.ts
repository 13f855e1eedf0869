/**
 * One page of an LMDB file (format 2, as lmdb 3.5 writes it), read with every bound checked. LMDB itself trusts its file:
 * a flipped bit in a length makes it read far beyond a page, and the process ends by SIGBUS or SIGSEGV.
 *
 * ```
 * 0   number   8 bytes            24  offsets of the nodes, 2 bytes each, counted from byte 24
 * 8   txn      8                      …  free  …
 * 16  pad      2                      nodes, to the end of the page
 * 18  flags    2
 * 20  lower    2   2 × nodes      node in a leaf:   size of value 4, flags 2, size of key 2, key, value
 * 22  upper    2   free until     node in a branch: page 6 (low 4, high 2), size of key 2, key
 * ```
 * The value of a node with the flag BIG stands on pages of its own, and the node has `page 8, txn 8, pages 8` instead.
 * (After `mdb.c` of OpenLDAP's LMDB.)
 */
export const PAGE_HEAD_BYTES = 24;
const NODE_HEAD_BYTES = 8;
/** What a node holds of a value that stands elsewhere. */
const ELSEWHERE_BYTES = 24;
/** What a node of the root table holds of another table. */
export const TREE_BYTES = 48;

const BRANCH = 0x01;
const LEAF = 0x02;
const BIG = 0x01;
const TREE = 0x02;

/** What a node of a leaf says of its value. */
export interface Value {
  bytes: number;
  /** Where it stands, when that is not behind its key. */
  elsewhere?: { page: number; pages: number };
  /** It is the head of another table. */
  isTree: boolean;
}

export class Page {
  readonly bytes: Buffer;
  readonly #words: Uint16Array;

  /** `bytes`: the whole page, at an even place in its memory. */
  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#words = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  }

  get isLeaf(): boolean {
    return this.#words[9] === LEAF;
  }

  get isBranch(): boolean {
    return this.#words[9] === BRANCH;
  }

  /** The transaction that wrote it. */
  get txn(): number {
    return uint64(this.bytes, 8);
  }

  /** How many nodes it says it has. */
  get count(): number {
    return this.#words[10]! >> 1;
  }

  /** What is wrong with its head, on its own; undefined: nothing, and {@link count} nodes may be looked at. */
  headFault(number: number): string | undefined {
    if (uint64(this.bytes, 0) !== number) return 'another number';
    if (!this.isLeaf && !this.isBranch) return 'unknown kind';
    const lower = this.#words[10]!;
    const upper = this.#words[11]!;
    if (lower % 2 !== 0 || lower > upper || upper > this.bytes.length - PAGE_HEAD_BYTES) return 'wrong bounds';
    return this.count < (this.isBranch ? 2 : 1) ? 'too few nodes' : undefined;
  }

  /** What is wrong with node `index`; undefined: nothing, and it may be read. */
  nodeFault(index: number): string | undefined {
    const at = this.#at(index);
    const { length } = this.bytes;
    if (at % 2 !== 0 || at < PAGE_HEAD_BYTES + this.#words[11]! || at + NODE_HEAD_BYTES > length) return 'wrong place';
    const keyEnd = at + NODE_HEAD_BYTES + this.#keyBytes(at);
    if (keyEnd > length) return 'key too long';
    if (this.isBranch) return undefined;
    if (this.#keyBytes(at) === 0) return 'no key';
    const flags = this.#words[(at >> 1) + 2]!;
    if (flags !== 0 && flags !== BIG && flags !== TREE) return 'unknown flags';
    const inline = flags === BIG ? ELSEWHERE_BYTES : this.#valueBytes(at);
    if (keyEnd + inline > length) return 'value too long';
    if (flags === TREE && inline !== TREE_BYTES) return 'a table of another size';
    return undefined;
  }

  /** What is wrong with the page, its nodes and their order; undefined: nothing. `numeric`: its keys are numbers. */
  fault(number: number, numeric = false): string | undefined {
    const fault = this.headFault(number);
    if (fault !== undefined) return fault;
    for (let index = 0; index < this.count; index++) {
      const wrong = this.nodeFault(index);
      if (wrong !== undefined) return `node ${index}: ${wrong}`;
      // The first key of a branch stands for everything below the second, and is empty.
      if (index <= (this.isBranch ? 1 : 0)) continue;
      const inOrder = numeric ? this.#rises(index) : this.#inOrder(index - 1, index);
      if (!inOrder) return `node ${index}: out of order`;
    }
    return undefined;
  }

  /** The key of a node in order. A view of the page. */
  key(index: number): Buffer {
    const at = this.#at(index) + NODE_HEAD_BYTES;
    return this.bytes.subarray(at, at + this.#keyBytes(at - NODE_HEAD_BYTES));
  }

  /** The page that a node of a branch leads to. */
  child(index: number): number {
    const at = this.#at(index);
    return this.bytes.readUInt32LE(at) + this.bytes.readUInt16LE(at + 4) * 2 ** 32;
  }

  /** Whether the value of a node stands on pages of its own. */
  isBig(index: number): boolean {
    return this.#words[(this.#at(index) >> 1) + 2] === BIG;
  }

  value(index: number): Value {
    const at = this.#at(index);
    const flags = this.#words[(at >> 1) + 2];
    const bytes = this.#valueBytes(at);
    if (flags !== BIG) return { bytes, isTree: flags === TREE };
    const reference = at + NODE_HEAD_BYTES + this.#keyBytes(at);
    const elsewhere = { page: uint64(this.bytes, reference), pages: uint64(this.bytes, reference + 16) };
    return { bytes, elsewhere, isTree: false };
  }

  /** The bytes behind the key: the value, unless it stands elsewhere. A view of the page. */
  inline(index: number): Buffer {
    const at = this.#at(index);
    const start = at + NODE_HEAD_BYTES + this.#keyBytes(at);
    return this.bytes.subarray(start, start + this.#valueBytes(at));
  }

  /** Where node `index` begins in the page. */
  #at(index: number): number {
    return PAGE_HEAD_BYTES + this.#words[PAGE_HEAD_BYTES / 2 + index]!;
  }

  #keyBytes(at: number): number {
    return this.#words[(at >> 1) + 3]!;
  }

  #valueBytes(at: number): number {
    return this.#words[at >> 1]! + this.#words[(at >> 1) + 1]! * 65_536;
  }

  #rises(index: number): boolean {
    const before = this.key(index - 1);
    const key = this.key(index);
    return before.length === 8 && key.length === 8 && uint64(before, 0) < uint64(key, 0);
  }

  /** Whether the key of `first` is before that of `second`, byte by byte: quicker for short keys than Buffer.compare. */
  #inOrder(first: number, second: number): boolean {
    const { bytes } = this;
    const a = this.#at(first) + NODE_HEAD_BYTES;
    const b = this.#at(second) + NODE_HEAD_BYTES;
    const aBytes = this.#keyBytes(a - NODE_HEAD_BYTES);
    const bBytes = this.#keyBytes(b - NODE_HEAD_BYTES);
    const shared = Math.min(aBytes, bBytes);
    for (let i = 0; i < shared; i++) {
      const difference = bytes[a + i]! - bytes[b + i]!;
      if (difference !== 0) return difference < 0;
    }
    return aBytes < bBytes;
  }
}

/** Beyond 2^53 the last digits are lost: no number of a sound file is that large. */
export function uint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}
