/** Lets a number of messages through at the same time, in the order they come, while it is open. It begins closed. */
export class Gate {
  #free: number;
  readonly #places: number;
  readonly #waiting: (() => void)[] = [];
  #open = false;
  #emptied: (() => void) | undefined;

  constructor(places: number) {
    this.#places = this.#free = places;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  open(): void {
    this.#open = true;
    this.#admit();
  }

  /** Nobody comes through until it is opened; whoever is through goes on. */
  close(): void {
    this.#open = false;
  }

  /** Resolves when it is one's turn; {@link leave} must follow. */
  async pass(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      this.#admit();
    });
  }

  leave(): void {
    this.#free += 1;
    this.#admit();
    if (this.#free === this.#places) this.#emptied?.();
  }

  /** Resolves when nobody is through. */
  async empty(): Promise<void> {
    if (this.#free === this.#places) return;
    await new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
  }

  #admit(): void {
    while (this.#open && this.#free > 0) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#free -= 1;
      next();
    }
  }
}
