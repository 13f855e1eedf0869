import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { DhaavakError } from '../protocol/errors.ts';
import { PAGE_HEAD_BYTES, Page, uint64, type Value } from './page.ts';

/** The store, in the data folder. */
export const STORE_FILE = 'store.mdb';

const MAGIC = 0xbeefc0de;
const FORMAT = 2;
/** Flag of a head whose pages were not flushed yet when it was written. */
const UNFLUSHED = 0x1000;
/** The root of a tree without pages. */
export const NO_PAGE = 2 ** 64;
const HEAD_BYTES = PAGE_HEAD_BYTES + 144;
/** LMDB's trees have 32 levels at most. */
const DEPTH_MAX = 32;

/** A table as its head describes it. */
export interface Tree {
  depth: number;
  entries: number;
  root: number;
}

/** One state of the store: a transaction that was committed. */
interface Head {
  txn: number;
  free: Tree;
  main: Tree;
  flags: number;
  /** The boot of the machine it was written in. */
  boot: number;
}

/** The file is so damaged that nothing can be read by way of its heads. */
export class NoHeadError extends Error {}

/**
 * An LMDB file read page by page, without LMDB: whatever is in the file, the worst that can happen is that a page is found
 * to be damaged. Nobody may write to it meanwhile, unless a reader of LMDB that is older than this holds on to its pages.
 */
export class PageFile implements Disposable {
  readonly bytes: number;
  readonly pageBytes: number;
  /** Whole pages in the file. */
  readonly pages: number;
  /** The state that LMDB would go on from. */
  readonly free: Tree;
  readonly main: Tree;
  readonly txn: number;
  /** What is wrong with its heads. LMDB does not look at all of this, but nobody can tell what else is wrong there. */
  readonly headFaults: string[] = [];
  readonly #file: number;

  /** Throws {@link NoHeadError}, `store_unusable` for a file in another format of LMDB, and what the system says when the file cannot be read. */
  constructor(path: string) {
    this.#file = openSync(path, 'r');
    try {
      this.bytes = fstatSync(this.#file).size;
      this.pageBytes = this.#readPageBytes();
      this.pages = Math.floor(this.bytes / this.pageBytes);
      const { txn, free, main } = this.#pickHead();
      this.txn = txn;
      this.free = free;
      this.main = main;
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  /** Reads `pages` pages from `number` on into memory of its own; fewer at the end of the file. */
  read(number: number, pages = 1): Buffer {
    const bytes = Buffer.allocUnsafeSlow(pages * this.pageBytes);
    const read = readSync(this.#file, bytes, 0, bytes.length, number * this.pageBytes);
    return bytes.subarray(0, read - (read % this.pageBytes));
  }

  /** Page `number`, which is in the file. */
  page(number: number): Page {
    return new Page(this.read(number));
  }

  /** Whether there is such a page, and it may belong to a tree. */
  has(number: number): boolean {
    return number >= 2 && number < this.pages;
  }

  /** What is wrong with where a value stands; undefined: nothing. */
  placeFault({ bytes, elsewhere }: Value): string | undefined {
    if (elsewhere === undefined) return undefined;
    const { page, pages } = elsewhere;
    // There may be more than it needs: a smaller value takes the place of a larger one.
    if (pages * this.pageBytes < PAGE_HEAD_BYTES + bytes) return 'a value on too few pages';
    return this.has(page) && page + pages <= this.pages ? undefined : 'a value outside the file';
  }

  /** A value in memory of its own; {@link placeFault} has found its place in order. */
  value(page: Page, index: number): Buffer {
    const value = page.value(index);
    if (value.elsewhere === undefined) return Buffer.from(page.inline(index));
    const bytes = this.read(value.elsewhere.page, value.elsewhere.pages);
    return bytes.subarray(PAGE_HEAD_BYTES, PAGE_HEAD_BYTES + value.bytes);
  }

  #readPageBytes(): number {
    const head = Buffer.alloc(HEAD_BYTES);
    const formats: number[] = [];
    for (const pageBytes of [0, 4_096, 8_192, 16_384, 32_768, 65_536]) {
      if (readSync(this.#file, head, 0, HEAD_BYTES, pageBytes) < HEAD_BYTES) continue;
      if (head.readUInt32LE(PAGE_HEAD_BYTES) === MAGIC) formats.push(head.readUInt32LE(28) & 0xffff);
      if (!isHead(head)) continue;
      const size = head.readUInt32LE(48);
      if (size >= 512 && size <= 65_536 && Math.log2(size) % 1 === 0 && (pageBytes === 0 || size === pageBytes)) {
        return size;
      }
    }
    if (formats.length === 2 && formats[0] === formats[1] && formats[0] !== FORMAT) {
      throw new DhaavakError(
        'store_unusable',
        `the store is in format ${formats[0]} of LMDB: another gateway wrote it`,
      );
    }
    throw new NoHeadError('neither of its two heads can be read');
  }

  /** As LMDB does it: of two states the newer, unless that was written before a boot and never flushed. */
  #pickHead(): Head {
    const [first, flushed, second] = [0, this.pageBytes / 2, this.pageBytes].map((at) => this.#head(at));
    const boot = bootOfMachine();
    const heads = [first, flushed, second].filter((head) => head !== undefined);
    const [oldest] = heads;
    if (oldest === undefined) throw new NoHeadError('none of its heads can be read');
    return heads.reduce((a, b) => {
      const latest = a.txn >= b.txn ? a : b;
      if (b.txn === 0 || latest.boot === boot || (latest.flags & UNFLUSHED) === 0) return b.txn === 0 ? a : latest;
      return a.txn > b.txn ? b : a;
    }, oldest);
  }

  #head(at: number): Head | undefined {
    const bytes = Buffer.alloc(HEAD_BYTES);
    const read = readSync(this.#file, bytes, 0, HEAD_BYTES, at);
    // The one in the middle of the first page has no magic number of its own.
    if (read < HEAD_BYTES || (at % this.pageBytes === 0 && !isHead(bytes))) {
      this.headFaults.push(`the head at byte ${at} is damaged`);
      return undefined;
    }
    return {
      txn: uint64(bytes, 152),
      free: treeAt(bytes, 48),
      main: treeAt(bytes, 96),
      flags: bytes.readUInt16LE(52),
      boot: uint64(bytes, 160),
    };
  }
}

/** The head of a table as it stands in a head of the file, or in a node of the root table. */
export function treeAt(bytes: Buffer, at: number): Tree {
  return {
    depth: bytes.readUInt16LE(at + 6),
    entries: uint64(bytes, at + 32),
    root: uint64(bytes, at + 40),
  };
}

/** What is wrong with a tree's own description. */
export function treeFault({ depth, root }: Tree, file: PageFile): string | undefined {
  if (root >= NO_PAGE) return depth === 0 ? undefined : 'a depth and no pages';
  if (depth < 1 || depth > DEPTH_MAX) return `a depth of ${depth}`;
  return file.has(root) ? undefined : 'its root is outside the file';
}

function isHead(bytes: Buffer): boolean {
  return bytes.readUInt32LE(PAGE_HEAD_BYTES) === MAGIC && (bytes.readUInt32LE(28) & 0xffff) === FORMAT;
}

/** What LMDB takes for the boot of the machine: the first eight digits of the kernel's id; 0 where there is none. */
function bootOfMachine(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8), 16) || 0;
  } catch {
    return 0;
  }
}
