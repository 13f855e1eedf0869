/** Cuts a stream of bytes into lines, each within a limit. */

const NEWLINE = 0x0a;

export class Lines {
  readonly #bytesMax: number;
  /** What happens with a line that is longer. It is called once a line, and the rest of that line is passed over. */
  readonly #tooLong: () => void;
  #parts: Buffer[] = [];
  #bytes = 0;
  #skipping = false;

  constructor(bytesMax: number, tooLong: () => void) {
    this.#bytesMax = bytesMax;
    this.#tooLong = tooLong;
  }

  /** The lines that end in `chunk`, without their newline. Each byte is looked at once, however small the chunks are. */
  *take(chunk: Buffer): Generator<string> {
    for (let start = 0; start < chunk.length; ) {
      const end = chunk.indexOf(NEWLINE, start);
      this.#add(chunk.subarray(start, end < 0 ? undefined : end));
      if (end < 0) return;
      start = end + 1;
      const line = Buffer.concat(this.#parts).toString('utf8');
      const skipped = this.#skipping;
      this.#clear();
      this.#skipping = false;
      if (!skipped) yield line.endsWith('\r') ? line.slice(0, -1) : line;
    }
  }

  #add(part: Buffer): void {
    if (this.#skipping || part.length === 0) return;
    this.#bytes += part.length;
    if (this.#bytes <= this.#bytesMax) {
      this.#parts.push(part);
      return;
    }
    this.#clear();
    this.#skipping = true;
    this.#tooLong();
  }

  #clear(): void {
    this.#parts = [];
    this.#bytes = 0;
  }
}
