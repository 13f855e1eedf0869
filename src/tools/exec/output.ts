/** What a process has written: its beginning and its end. */
import { stripVTControlCharacters } from 'node:util';

/** Kept of the beginning and of the end, in bytes: together below what the registry cuts a result at. */
const HEAD_BYTES = 6_144;
const TAIL_BYTES = 20_480;

export class Output {
  /** Bytes written so far. */
  total = 0;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  readonly #tail: Buffer[] = [];
  #tailBytes = 0;

  add(chunk: Buffer): void {
    if (this.#headBytes < HEAD_BYTES) {
      const part = chunk.subarray(0, HEAD_BYTES - this.#headBytes);
      this.#head.push(part);
      this.#headBytes += part.length;
    }
    this.total += chunk.length;
    this.#tail.push(chunk);
    this.#tailBytes += chunk.length;
    while (this.#tailBytes - (this.#tail[0] as Buffer).length >= TAIL_BYTES) {
      this.#tailBytes -= (this.#tail.shift() as Buffer).length;
    }
  }

  /** All of it, or head and tail. */
  text(): string {
    const headEnd = this.#headBytes;
    if (this.total <= HEAD_BYTES + TAIL_BYTES && this.total - this.#tailBytes <= headEnd) {
      return readable(Buffer.concat([...this.#head, this.#tailFrom(headEnd)]));
    }
    return `${readable(Buffer.concat(this.#head))}\n${this.since(headEnd)}`;
  }

  /** What was written after the first `position` bytes, or the end of that. */
  since(position: number): string {
    const start = Math.max(position, this.total - TAIL_BYTES);
    const cut = start - position;
    const text = readable(this.#tailFrom(start));
    return cut === 0 ? text : `[${cut.toLocaleString('en')} bytes are left out here]\n${text.replace(/^\ufffd+/, '')}`;
  }

  /** The bytes from `position` on; they are in the tail. */
  #tailFrom(position: number): Buffer {
    return Buffer.concat(this.#tail).subarray(Math.max(0, position - (this.total - this.#tailBytes)));
  }
}

/** As a terminal would show it in the end: without colours, and of a line that is written over only the last state. */
function readable(bytes: Buffer): string {
  const lines = stripVTControlCharacters(bytes.toString()).replaceAll('\r\n', '\n').split('\n');
  return lines
    .map((line) => line.slice(line.lastIndexOf('\r') + 1))
    .join('\n')
    .replaceAll(/[\p{Cc}--[\n\t]]/gv, '�');
}
