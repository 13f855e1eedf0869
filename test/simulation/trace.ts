/** What happened in a world, line by line, and a hash of it: two runs of a seed are the same when their hashes are. */
export class Trace {
  readonly lines: string[] = [];
  #hash = 0x811c9dc5;
  readonly #now: () => string;

  /** `now`: what every line begins with. */
  constructor(now: () => string) {
    this.#now = now;
  }

  note(text: string): void {
    const line = `${this.#now()} ${text}`;
    this.lines.push(line);
    // FNV-1a
    for (let i = 0; i < line.length; i++) this.#hash = Math.imul(this.#hash ^ line.charCodeAt(i), 0x01000193);
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16);
  }
}
