/** What was asked for by id, remembered for a while: names of people, titles of channels. */

/** Ids that are remembered; the one asked for longest ago goes first. */
const ENTRIES_MAX = 10_000;
const KEPT_MS = 3_600_000;
/** How long it is not asked again after it failed. */
const FAILED_MS = 30_000;

/** What one lookup gives, and until when. */
interface Entry<T> {
  readonly value: Promise<T | undefined>;
  until: number;
}

export class Lookup<T> {
  readonly #ask: (id: string) => Promise<T>;
  readonly #failed: (error: unknown) => void;
  readonly #entries = new Map<string, Entry<T>>();

  /** @param failed told of each error of `ask` */
  constructor(ask: (id: string) => Promise<T>, failed: (error: unknown) => void) {
    this.#ask = ask;
    this.#failed = failed;
  }

  /** Undefined where it cannot be had now. Never rejects. */
  get(id: string): Promise<T | undefined> {
    const known = this.#entries.get(id);
    if (known && performance.now() < known.until) return known.value;
    const entry: Entry<T> = { value: this.#fetch(id), until: performance.now() + KEPT_MS };
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    if (this.#entries.size > ENTRIES_MAX) this.#entries.delete(this.#entries.keys().next().value!);
    return entry.value;
  }

  /** The next `get` asks again. */
  forget(id: string): void {
    this.#entries.delete(id);
  }

  async #fetch(id: string): Promise<T | undefined> {
    try {
      return await this.#ask(id);
    } catch (error) {
      const entry = this.#entries.get(id);
      if (entry) entry.until = performance.now() + FAILED_MS;
      this.#failed(error);
      return undefined;
    }
  }
}
