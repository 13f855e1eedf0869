/** A page of a text file: some of its lines, found without holding the file. */
import type { FileHandle } from 'node:fs/promises';
import { type Boundary, besideFile } from './folder.ts';
import { binaryKindOf, bytesInWords } from './text.ts';

/** Read at once, in bytes. */
const CHUNK_BYTES = 65_536;
/** How far into a file lines are looked for, in bytes: some 0.1 s of reading. */
const SCAN_BYTES_MAX = 64 * 1_048_576;
/** Characters of a line that are shown: minified code would fill the page with one. */
const LINE_LENGTH_MAX = 2_000;
/** Characters of a page: below what the registry cuts a result at. */
const PAGE_LENGTH_MAX = 30_000;

export interface ReadRequest {
  path: string;
  /** The first line, from 1. */
  offset: number;
  /** How many lines. */
  limit: number;
}

/** The lines asked for, or what the file is if it isn't text. Throws as `besideFile` does, and where there is no such line. */
export function readPage(boundary: Boundary, { path, offset, limit }: ReadRequest): Promise<string> {
  return besideFile(boundary, path, async (folder, name) => {
    const { handle, stats } = await folder.openFile(name);
    try {
      const page = new Page(offset, limit);
      const kind = await readInto(page, handle);
      if (kind !== undefined) return `${folder.shown(name)} is ${kind} of ${bytesInWords(stats.size)}, not text.`;
      return page.text(folder.shown(name));
    } finally {
      await handle.close();
    }
  });
}

/** What the file is, where it isn't text. */
async function readInto(page: Page, handle: FileHandle): Promise<string | undefined> {
  const decoder = new TextDecoder();
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let position = 0; position < SCAN_BYTES_MAX; ) {
    const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, position);
    const bytes = buffer.subarray(0, bytesRead);
    const kind = position === 0 ? binaryKindOf(bytes) : undefined;
    if (kind !== undefined) return kind;
    position += bytesRead;
    page.add(decoder.decode(bytes, { stream: bytesRead > 0 }));
    if (bytesRead === 0) {
      page.end();
      return undefined;
    }
    if (page.full) return undefined;
  }
  return undefined;
}

/** Lines `offset` to `offset + limit - 1` of what is added. */
class Page {
  /** Whether there is more than what is shown. */
  full = false;
  readonly #offset: number;
  readonly #last: number;
  readonly #shown: string[] = [];
  #length = 0;
  /** The number of the line that is being added. */
  #number = 1;
  #line = '';
  /** Characters of it that are left out. */
  #cut = 0;
  #ended = false;

  constructor(offset: number, limit: number) {
    this.#offset = offset;
    this.#last = offset + limit - 1;
  }

  add(text: string): void {
    let start = 0;
    while (!this.full) {
      const end = text.indexOf('\n', start);
      if (end === -1) break;
      this.#continue(text, start, end);
      this.#close();
      start = end + 1;
    }
    if (!this.full) this.#continue(text, start, text.length);
  }

  /** There is no more text. A file that ends with a line feed has no empty line after it. */
  end(): void {
    this.#ended = true;
    if (this.#line !== '' || this.#cut > 0) this.#close();
  }

  text(path: string): string {
    const lines = this.#number - 1;
    if (this.#shown.length > 0) {
      const next = this.#offset + this.#shown.length;
      const note = `\n[the file goes on: read it with offset ${next} for more]`;
      return `${this.#shown.join('\n')}${this.full || !this.#ended ? note : ''}`;
    }
    if (!this.#ended) {
      const megabytes = SCAN_BYTES_MAX / 1_048_576;
      throw new Error(`line ${this.#offset} is not in the first ${megabytes} MiB of ${path}: search it instead`);
    }
    if (lines === 0) return `${path} is empty.`;
    throw new Error(`${path} has only ${lines} line${lines === 1 ? '' : 's'}`);
  }

  #continue(text: string, start: number, end: number): void {
    if (this.#number > this.#last) {
      this.full ||= end > start;
      return;
    }
    if (this.#number < this.#offset) {
      if (end > start) this.#cut = 1; // enough to know that it is there
      return;
    }
    const room = LINE_LENGTH_MAX - this.#line.length;
    this.#line += text.slice(start, Math.min(end, start + room));
    this.#cut += Math.max(0, end - start - room);
  }

  #close(): void {
    if (this.#number > this.#last) {
      this.full = true;
      return;
    }
    if (this.#number >= this.#offset && !this.#show()) return;
    this.#number += 1;
    this.#line = '';
    this.#cut = 0;
  }

  /** False: the page has no room for it. */
  #show(): boolean {
    const cut = this.#cut > 0 ? `… [${this.#cut} more characters]` : '';
    const line = cut === '' && this.#line.endsWith('\r') ? this.#line.slice(0, -1) : this.#line + cut;
    if (this.#length + line.length > PAGE_LENGTH_MAX) {
      this.full = true;
      return false;
    }
    this.#length += line.length + 1;
    this.#shown.push(line);
    return true;
  }
}
