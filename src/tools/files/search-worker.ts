/** The thread of {@link Searcher}: it may block, and it may be ended at any moment. It never leaves the workspace, as `descriptor.ts` tells. */
import {
  closeSync,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { matchesGlob } from 'node:path';
import {
  codeOf,
  entryOf,
  HAS_PROC,
  isNamedSo,
  isSame,
  linkOf,
  nobodysName,
  OPEN_FILE,
  OPEN_FOLDER,
  OPEN_ROOT,
  placeOf,
} from './descriptor.ts';
import { NOT_ENTERED } from './list.ts';
import type { SearchOutcome, SearchRequest, SearchTask } from './search-task.ts';
import { binaryKindOf } from './text.ts';

/** Lines that are shown, and the characters they may have together and each. */
const MATCHES_MAX = 200;
const OUTPUT_LENGTH_MAX = 28_000;
const LINE_LENGTH_MAX = 300;
/** Larger files are passed over, in bytes: logs and data, for which there is exec. */
const FILE_BYTES_MAX = 4 * 1_048_576;
const FILES_MAX = 50_000;
const BYTES_MAX = 512 * 1_048_576;
const DEPTH_MAX = 32;

export default function search(task: SearchTask): SearchOutcome {
  try {
    return { text: new Search(task).run() };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Thrown when a limit is reached: what was found so far is the result. */
class Enough extends Error {}

class Search {
  readonly #task: SearchTask;
  readonly #matches: (line: string) => boolean;
  readonly #deadline: number;
  readonly #home: Stats | undefined;
  readonly #buffer = Buffer.allocUnsafe(FILE_BYTES_MAX);
  readonly #lines: string[] = [];
  #length = 0;
  #files = 0;
  #bytes = 0;
  #tooLarge = 0;
  #hardLinks = 0;
  #unreadable = 0;

  constructor(task: SearchTask) {
    this.#task = task;
    this.#matches = matcherOf(task);
    this.#deadline = performance.now() + task.timeoutMs;
    this.#home = statSync(task.home, { throwIfNoEntry: false });
  }

  run(): string {
    let reason = '';
    try {
      this.#begin();
    } catch (error) {
      if (!(error instanceof Enough)) throw error;
      reason = `[stopped after ${error.message}: search for something rarer, or in a smaller folder]`;
    }
    const left = [
      [this.#tooLarge, `larger than ${FILE_BYTES_MAX / 1_048_576} MiB`],
      [this.#hardLinks, 'hard links, or replaced meanwhile'],
      [this.#unreadable, 'not readable'],
    ] as const;
    const notes = left.filter(([count]) => count > 0).map(([count, what]) => `[${count} files passed over: ${what}]`);
    const found = this.#lines.length > 0 ? this.#lines : [`nothing found in ${this.#files} files`];
    return [...found, ...notes, ...(reason === '' ? [] : [reason])].join('\n');
  }

  /** From the workspace to the folder or file to search. */
  #begin(): void {
    const { root, segments } = this.#task;
    let folder = openRoot(root);
    try {
      this.#refuseHome(folder);
      for (const [index, name] of segments.entries()) {
        const entry = entryOf(folder.place, name);
        if (index === segments.length - 1 && lstatSync(entry, { throwIfNoEntry: false })?.isFile()) {
          this.#file(folder, name, segments.join('/'), name);
          return;
        }
        const inner = enter(entry, segments.slice(0, index + 1).join('/'));
        closeSync(folder.fd);
        folder = inner;
        this.#refuseHome(folder);
      }
      this.#folder(folder, segments.join('/'), '', 1);
    } finally {
      closeSync(folder.fd);
    }
  }

  /** `path` is how it is called from the workspace, `below` from the folder searched. */
  #folder(folder: OpenFolder, path: string, below: string, depth: number): void {
    for (const entry of sorted(readdirSync(folder.place, { withFileTypes: true }))) {
      const { name } = entry;
      const entryPath = path === '' ? name : `${path}/${name}`;
      const entryBelow = below === '' ? name : `${below}/${name}`;
      if (entry.isFile()) this.#file(folder, name, entryPath, entryBelow);
      else if (entry.isDirectory() && !NOT_ENTERED.has(name) && depth < DEPTH_MAX) {
        this.#enter(entryOf(folder.place, name), entryPath, entryBelow, depth);
      }
    }
  }

  #enter(entry: string, path: string, below: string, depth: number): void {
    let folder: OpenFolder;
    try {
      folder = openFolder(entry, OPEN_FOLDER);
    } catch {
      this.#unreadable += 1;
      return;
    }
    try {
      if (!this.#isHome(folder)) this.#folder(folder, path, below, depth + 1);
    } finally {
      closeSync(folder.fd);
    }
  }

  #file(folder: OpenFolder, name: string, path: string, below: string): void {
    this.#check();
    const { glob } = this.#task;
    // A pattern without a slash is for names in any folder, as people write it.
    if (glob !== undefined && !matchesGlob(glob.includes('/') ? below : name, glob)) return;
    const text = this.#read(folder, name);
    if (text === undefined) return;
    this.#files += 1;
    this.#bytes += text.length;
    let number = 0;
    for (const line of text.split('\n')) {
      number += 1;
      if (this.#matches(line)) this.#found(path, number, line);
    }
  }

  /** Undefined where it is passed over. */
  #read(folder: OpenFolder, name: string): string | undefined {
    let fd: number;
    try {
      fd = openSync(entryOf(folder.place, name), OPEN_FILE);
    } catch {
      this.#unreadable += 1;
      return undefined;
    }
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) return undefined;
      if (!isHere(fd, stats, folder, name)) {
        this.#hardLinks += 1;
        return undefined;
      }
      if (stats.size > FILE_BYTES_MAX) {
        this.#tooLarge += 1;
        return undefined;
      }
      const bytes = this.#buffer.subarray(0, readSync(fd, this.#buffer, 0, FILE_BYTES_MAX, 0));
      return binaryKindOf(bytes) === undefined ? bytes.toString() : undefined;
    } finally {
      closeSync(fd);
    }
  }

  #found(path: string, number: number, line: string): void {
    const trimmed = line.trimEnd();
    const shown = trimmed.length > LINE_LENGTH_MAX ? `${trimmed.slice(0, LINE_LENGTH_MAX)}…` : trimmed;
    const row = `${path.replaceAll(/\p{Cc}/gu, '?')}:${number}: ${shown}`;
    if (this.#lines.length >= MATCHES_MAX) throw new Enough(`${MATCHES_MAX} lines`);
    if (this.#length + row.length > OUTPUT_LENGTH_MAX) throw new Enough(`${this.#lines.length} lines`);
    this.#length += row.length + 1;
    this.#lines.push(row);
  }

  #check(): void {
    if (this.#files >= FILES_MAX) throw new Enough(`${FILES_MAX} files`);
    if (this.#bytes >= BYTES_MAX) throw new Enough(`${BYTES_MAX / 1_048_576} MiB`);
    if (performance.now() > this.#deadline) throw new Enough(`${this.#task.timeoutMs / 1_000} s`);
  }

  #refuseHome(folder: OpenFolder): void {
    if (this.#isHome(folder)) throw new Error("that is the gateway's data folder, which no tool may enter");
  }

  #isHome({ fd }: OpenFolder): boolean {
    return this.#home !== undefined && isSame(fstatSync(fd), this.#home);
  }
}

/** Whether the only name of an open file is `name` in `folder`: see `descriptor.ts`. */
function isHere(fd: number, stats: Stats, folder: OpenFolder, name: string): boolean {
  if (stats.nlink !== 1) return false;
  if (!HAS_PROC) {
    const named = lstatSync(entryOf(folder.place, name), { throwIfNoEntry: false });
    return named !== undefined && isSame(named, stats) && named.nlink === 1;
  }
  lstatSync(entryOf(folder.place, nobodysName()), { throwIfNoEntry: false });
  return isNamedSo(readlinkSync(linkOf(fd)), readlinkSync(linkOf(folder.fd)), name);
}

interface OpenFolder {
  fd: number;
  place: string;
}

function openFolder(path: string, flags: number): OpenFolder {
  const fd = openSync(path, flags);
  return { fd, place: placeOf(fd, path) };
}

function matcherOf({ pattern, regex, ignoreCase }: SearchRequest): (line: string) => boolean {
  if (regex) {
    let expression: RegExp;
    try {
      expression = new RegExp(pattern, ignoreCase ? 'i' : '');
    } catch (cause) {
      throw new Error(`the pattern is no regular expression of JavaScript: ${(cause as Error).message}`, { cause });
    }
    return (line) => expression.test(line.endsWith('\r') ? line.slice(0, -1) : line);
  }
  if (!ignoreCase) return (line) => line.includes(pattern);
  const wanted = pattern.toLowerCase();
  return (line) => line.toLowerCase().includes(wanted);
}

function openRoot(root: string): OpenFolder {
  try {
    return openFolder(root, OPEN_ROOT);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw new Error('the workspace is empty');
    throw error;
  }
}

function enter(entry: string, path: string): OpenFolder {
  try {
    return openFolder(entry, OPEN_FOLDER);
  } catch (cause) {
    throw new Error(`there is no folder ${path} (links are not followed)`, { cause });
  }
}

function sorted(entries: Dirent[]): Dirent[] {
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}
