import { Codec } from './codec.ts';
import { VERSION_KEY } from './migrations.ts';
import { Page } from './page.ts';
import { NoHeadError, PageFile, type Tree, treeAt, treeFault } from './page-file.ts';
import { freeRuns } from './readable.ts';

/** What is told of damage, at most: the rest is counted. */
const TOLD_MAX = 20;
/** Pages read at once. */
const CHUNK_PAGES = 256;
/** Marks of pages. */
const UNKNOWN = 0;
const LEAF = 1;
const OTHER = 2;

/** What was found in a store's file. */
export interface Survey {
  bytes: number;
  /** The version the store says it is of; 1 where it says nothing; undefined: that cannot be read. */
  version: number | undefined;
  tables: Map<string, Tree>;
  /** What is damaged, the first of it, and how much there is. */
  damage: string[];
  damages: number;
  /** Leaves, which hold the records, and how many of them there was time to look at. */
  leaves: number;
  leavesRead: number;
}

/**
 * Looks whether the structure of a store's file is in order, so that LMDB may be let at it: its heads, all branches of its
 * trees, the list of free pages, and as many leaves as can be read in `budgetMs`. Not the values, which have checksums.
 * Throws only what the system says when the file cannot be read.
 */
export function survey(path: string, budgetMs = Infinity): Survey {
  try {
    using file = new PageFile(path);
    return new Surveyor(file).look(performance.now() + budgetMs);
  } catch (error) {
    if (!(error instanceof NoHeadError)) throw error;
    const nothing = { bytes: 0, version: undefined, tables: new Map(), leaves: 0, leavesRead: 0 };
    return { ...nothing, damage: [error.message], damages: 1 };
  }
}

class Surveyor {
  readonly #file: PageFile;
  readonly #marks: Uint8Array;
  readonly #tables = new Map<string, Tree>();
  readonly #damage: string[] = [];
  #damages = 0;
  #leaves = 0;
  #leavesRead = 0;
  #version: number | undefined = 1;

  constructor(file: PageFile) {
    this.#file = file;
    this.#marks = new Uint8Array(file.pages);
  }

  look(deadline: number): Survey {
    const { bytes, free, headFaults, main } = this.#file;
    for (const fault of headFaults) this.#tell(fault);
    this.#walk('the root table', main, (page) => this.#readMain(page));
    for (const [name, tree] of this.#tables) this.#walk(name, tree, name === 'meta' ? this.#readMeta : undefined);
    this.#readLeaves(deadline);
    this.#walk('the free pages', free, (page) => this.#readFree(page), true);
    return {
      bytes,
      version: this.#version,
      tables: this.#tables,
      damage: this.#damage,
      damages: this.#damages,
      leaves: this.#leaves,
      leavesRead: this.#leavesRead,
    };
  }

  #tell(what: string): void {
    this.#damages += 1;
    if (this.#damages <= TOLD_MAX) this.#damage.push(what);
  }

  /** Looks at the branches of a tree, and marks its leaves; or has them read at once, by `read`. */
  #walk(name: string, tree: Tree, read?: (page: Page) => void, numeric = false): void {
    const fault = treeFault(tree, this.#file);
    if (fault !== undefined) this.#tell(`${name}: ${fault}`);
    else if (tree.depth > 0) this.#visit(name, tree.root, tree.depth, read, numeric);
  }

  #visit(name: string, number: number, depth: number, read?: (page: Page) => void, numeric = false): void {
    const isLeaf = depth === 1;
    let fault = this.#placeFault(number);
    if (fault === undefined) {
      this.#marks[number] = isLeaf && read === undefined ? LEAF : OTHER;
      if (isLeaf) this.#leaves += 1;
      if (isLeaf && read === undefined) return;
      const page = this.#file.page(number);
      fault = page.isLeaf === isLeaf ? page.fault(number, numeric) : 'another kind';
      if (fault === undefined) {
        if (isLeaf) this.#readLeaf(page, number, read);
        else for (let i = 0; i < page.count; i++) this.#visit(name, page.child(i), depth - 1, read, numeric);
      }
    }
    if (fault !== undefined) this.#tell(`${name}: page ${number}: ${fault}`);
  }

  #placeFault(number: number): string | undefined {
    if (!this.#file.has(number)) return 'outside the file';
    return this.#marks[number] === UNKNOWN ? undefined : 'used twice';
  }

  #readLeaf(page: Page, number: number, read?: (page: Page) => void): void {
    this.#leavesRead += 1;
    this.#markValues(page, number);
    read?.(page);
  }

  #readMain(page: Page): void {
    for (let index = 0; index < page.count; index++) {
      if (page.value(index).isTree) this.#tables.set(nameOf(page.key(index)), treeAt(page.inline(index), 0));
    }
  }

  #readMeta = (page: Page): void => {
    const codec = new Codec(() => {});
    for (let index = 0; index < page.count; index++) {
      if (nameOf(page.key(index)) !== VERSION_KEY) continue;
      const version = codec.decode(Buffer.from(page.inline(index)));
      this.#version = typeof version === 'number' ? version : undefined;
    }
  };

  /** One leaf after the other as they stand in the file: disks are quickest so. */
  #readLeaves(deadline: number): void {
    for (let first = 0; first < this.#file.pages && performance.now() < deadline; first += CHUNK_PAGES) {
      const last = Math.min(first + CHUNK_PAGES, this.#file.pages);
      if (this.#marks.subarray(first, last).indexOf(LEAF) < 0) continue;
      const { pageBytes } = this.#file;
      const chunk = this.#file.read(first, last - first);
      for (let number = first; number < last; number++) {
        if (this.#marks[number] !== LEAF) continue;
        const at = (number - first) * pageBytes;
        const page = new Page(chunk.subarray(at, at + pageBytes));
        const fault = page.isLeaf ? page.fault(number) : 'another kind';
        if (fault === undefined) this.#readLeaf(page, number);
        else this.#tell(`page ${number}: ${fault}`);
      }
    }
  }

  /** Marks the pages on which values of a leaf stand. */
  #markValues(page: Page, number: number): void {
    for (let index = 0; index < page.count; index++) {
      if (!page.isBig(index)) continue;
      const value = page.value(index);
      const fault = this.#file.placeFault(value);
      if (fault !== undefined) this.#tell(`page ${number}, node ${index}: ${fault}`);
      else this.#markRun(value.elsewhere!.page, value.elsewhere!.pages);
    }
  }

  #markRun(first: number, pages: number): void {
    const run = this.#marks.subarray(first, first + pages);
    const used = run.findIndex((mark) => mark !== UNKNOWN);
    if (used >= 0) this.#tell(`page ${first + used} is used twice`);
    run.fill(OTHER);
  }

  #readFree(page: Page): void {
    for (let index = 0; index < page.count; index++) {
      if (this.#file.placeFault(page.value(index)) !== undefined) continue; // told already
      for (const [first, pages] of freeRuns(this.#file.value(page, index))) this.#checkFree(first, pages);
    }
  }

  #checkFree(first: number, pages: number): void {
    const used = this.#marks.subarray(first, first + pages).findIndex((mark) => mark !== UNKNOWN);
    if (used >= 0) this.#tell(`page ${first + used} is in use and listed as free`);
  }
}

/** LMDB keeps names of tables, as lmdb keeps text keys, with or without a zero at the end. */
function nameOf(key: Buffer): string {
  return key.toString('latin1').replace(/\0$/, '');
}
