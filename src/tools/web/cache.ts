import type { Page } from './page.ts';

/** Pages kept for those who read on, on each shard; characters of all of them together; and for how long, in milliseconds. */
const PAGES_MAX = 16;
const LENGTH_MAX = 4 * 1024 * 1024;
const AGE_MAX_MS = 300_000;

interface Kept {
  page: Page;
  /** By `performance.now()`. */
  at: number;
}

/** What was fetched a moment ago, so that the second part of a page is of the same page as the first. */
export class PageCache {
  /** The oldest first. */
  readonly #pages = new Map<string, Kept>();
  #length = 0;

  get(key: string): Page | undefined {
    const kept = this.#pages.get(key);
    return kept !== undefined && performance.now() - kept.at < AGE_MAX_MS ? kept.page : undefined;
  }

  set(key: string, page: Page): void {
    this.#remove(key);
    this.#pages.set(key, { page, at: performance.now() });
    this.#length += page.text.length;
    for (const oldest of this.#pages.keys()) {
      if (this.#pages.size <= PAGES_MAX && this.#length <= LENGTH_MAX) break;
      this.#remove(oldest);
    }
  }

  #remove(key: string): void {
    this.#length -= this.#pages.get(key)?.page.text.length ?? 0;
    this.#pages.delete(key);
  }
}
