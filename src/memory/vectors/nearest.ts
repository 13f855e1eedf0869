/** Something found, by its number, and its cosine with what was asked. */
export interface Found {
  id: number;
  similarity: number;
}

/** Of all that is offered, the `limit` with the greatest similarity; of equal ones the first offered. */
export class Nearest {
  readonly found: Found[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  offer(id: number, similarity: number): void {
    const { found } = this;
    if (found.length === this.#limit && similarity <= (found.at(-1) as Found).similarity) return;
    let low = 0;
    let high = found.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((found[middle] as Found).similarity >= similarity) low = middle + 1;
      else high = middle;
    }
    found.splice(low, 0, { id, similarity });
    if (found.length > this.#limit) found.pop();
  }
}
