/** What can still be read of a damaged store file. */
import { readKey } from 'ordered-binary';
import { Codec } from './codec.ts';
import { VERSION_KEY } from './migrations.ts';
import type { Page } from './page.ts';
import { type PageFile, type Tree, treeAt, treeFault } from './page-file.ts';

/** A record as it stands in the file. */
export interface RawRecord {
  table: string;
  key: Buffer;
  value: Buffer;
}

/** The root table, which names the others. */
const ROOT = '';
/** Tables whose records can be told by their looks, and do no harm when an old one comes back. */
type Told = 'entries' | 'images' | 'inbox' | 'keys' | 'meta' | 'sessions' | 'spending';

/** Reads a damaged file as far as it can be read. Nobody may write to it. */
export class ReadableFile {
  /** By table: pages of its tree that could not be read, with all they led to. */
  readonly lostPages = new Map<string, number>();
  /** By table: records on pages that could be read, which themselves could not. */
  readonly lostRecords = new Map<string, number>();
  readonly #file: PageFile;
  readonly #reached: Uint8Array;
  #strayPages: { number: number; txn: number }[] | undefined;

  constructor(file: PageFile) {
    this.#file = file;
    this.#reached = new Uint8Array(file.pages);
  }

  /** The records that their tables still lead to. */
  *records(): Generator<RawRecord> {
    const tables: [name: string, tree: Tree][] = [];
    for (const [page, index] of this.#nodes(ROOT, this.#file.main)) {
      const name = page.key(index).toString('latin1').replace(/\0$/, '');
      if (page.value(index).isTree) tables.push([name, treeAt(page.inline(index), 0)]);
    }
    for (const [table, tree] of tables) {
      for (const [page, index] of this.#nodes(table, tree)) yield this.#record(table, page, index);
    }
  }

  /**
   * Records on pages that no tree leads to any more, newest page first. To be called after {@link records}: only tables
   * that have lost pages are looked for, and only by what records look like.
   */
  *strays(): Generator<RawRecord> {
    if (this.lostPages.size === 0) return;
    this.#strayPages ??= this.#findStrayPages();
    for (const { number } of this.#strayPages) yield* this.#straysOn(this.#file.page(number));
  }

  #findStrayPages(): { number: number; txn: number }[] {
    this.#markFree();
    const pages: { number: number; txn: number }[] = [];
    for (let number = 2; number < this.#file.pages; number++) {
      if (this.#reached[number] !== 0) continue;
      const page = this.#file.page(number);
      if (page.isLeaf && page.headFault(number) === undefined && page.txn <= this.#file.txn) {
        pages.push({ number, txn: page.txn });
      }
    }
    return pages.sort((a, b) => b.txn - a.txn);
  }

  *#straysOn(page: Page): Generator<RawRecord> {
    for (let index = 0; index < page.count; index++) {
      if (!this.#isReadable(page, index) || page.value(index).isTree) continue;
      const record = this.#record('', page, index);
      const table = tableOf(record);
      if (table !== undefined && (this.lostPages.has(table) || this.lostPages.has(ROOT))) yield { ...record, table };
    }
  }

  *#nodes(table: string, tree: Tree): Generator<[page: Page, index: number]> {
    if (treeFault(tree, this.#file) !== undefined) this.#lose(this.lostPages, table);
    else if (tree.depth > 0) yield* this.#below(table, tree.root, tree.depth);
  }

  *#below(table: string, number: number, depth: number): Generator<[page: Page, index: number]> {
    const isNew = this.#file.has(number) && this.#reached[number] === 0;
    const page = isNew ? this.#file.page(number) : undefined;
    if (page === undefined || page.headFault(number) !== undefined || page.isLeaf !== (depth === 1)) {
      this.#lose(this.lostPages, table);
      return;
    }
    this.#reached[number] = 1;
    for (let index = 0; index < page.count; index++) {
      if (page.isBranch) {
        if (page.nodeFault(index) === undefined) yield* this.#below(table, page.child(index), depth - 1);
        else this.#lose(this.lostPages, table);
      } else if (this.#isReadable(page, index)) yield [page, index];
      else this.#lose(this.lostRecords, table);
    }
  }

  /** Whether a record can be read, and its key stands between those of its neighbours. */
  #isReadable(page: Page, index: number): boolean {
    if (page.nodeFault(index) !== undefined || this.#file.placeFault(page.value(index)) !== undefined) return false;
    const before = keyAt(page, index - 1);
    const after = keyAt(page, index + 1);
    const key = page.key(index);
    const fits =
      (before === undefined || Buffer.compare(before, key) < 0) &&
      (after === undefined || Buffer.compare(key, after) < 0);
    if (fits) return true;
    // One of the three is wrong. It is this one where the neighbours agree, or where it has but one.
    if (before !== undefined && after !== undefined) return Buffer.compare(before, after) >= 0;
    const [near, far] = before === undefined ? [index + 1, index + 2] : [index - 2, index - 1];
    const first = keyAt(page, near);
    const second = keyAt(page, far);
    return first === undefined || second === undefined || Buffer.compare(first, second) >= 0;
  }

  #record(table: string, page: Page, index: number): RawRecord {
    return { table, key: Buffer.from(page.key(index)), value: this.#file.value(page, index) };
  }

  /** What stands on free pages is old. Where the list of them is damaged too, something old may come back. */
  #markFree(): void {
    for (const [page, index] of this.#nodes('the free pages', this.#file.free)) {
      for (const [first, count] of freeRuns(this.#file.value(page, index))) {
        this.#reached.fill(1, first, first + count);
      }
    }
  }

  #lose(lost: Map<string, number>, table: string): void {
    lost.set(table, (lost.get(table) ?? 0) + 1);
  }
}

/** Runs of free pages in a record of the list of them: page numbers, of which a negative one says how many follow the next. */
export function* freeRuns(list: Buffer): Generator<[first: number, pages: number]> {
  const numbers = new BigInt64Array(list.buffer, list.byteOffset, Math.floor(list.length / 8));
  const end = Math.min(Number(numbers[0] ?? 0n) + 1, numbers.length);
  for (let i = 1; i < end; i++) {
    const entry = Number(numbers[i]);
    const first = entry < 0 ? Number(numbers[++i] ?? 0n) : entry;
    if (first > 0) yield [first, entry < 0 ? -entry : 1];
  }
}

function keyAt(page: Page, index: number): Buffer | undefined {
  if (index < 0 || index >= page.count || page.nodeFault(index) !== undefined) return undefined;
  return page.key(index);
}

/** The table a stray record is of, as far as that can be told. */
function tableOf({ key, value }: RawRecord): Told | undefined {
  const parts = decodedKey(key);
  if (Array.isArray(parts) && parts.length === 3) return 'images';
  const content = new Codec(() => {}).decode(value);
  if (parts === VERSION_KEY && typeof content === 'number') return 'meta';
  if (typeof parts === 'string') return field(content, 'id') === parts ? 'sessions' : undefined;
  if (!Array.isArray(parts) || parts.length !== 2 || content === undefined) return undefined;
  if (typeof parts[1] === 'number') return field(content, 'seq') === parts[1] ? 'entries' : 'inbox';
  return field(content, 'largest') === undefined ? 'keys' : 'spending';
}

/** The key as its table has it; undefined for one that cannot be decoded. */
export function decodedKey(key: Buffer): unknown {
  try {
    return readKey(key, 0, key.length);
  } catch {
    return undefined;
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
