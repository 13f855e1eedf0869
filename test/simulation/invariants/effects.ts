import type { Report } from './report.ts';

/** What tools have done to the world outside, where no crash takes it back: what must not be done twice is not. */
export class Effects {
  readonly #report: Report;
  readonly #done = new Set<string>();

  constructor(report: Report) {
    this.#report = report;
  }

  /** A tool orders `item`, a name that stands for what a message asked for. */
  ordered(item: string): void {
    if (this.#done.has(item)) this.#report(`${item} was ordered twice`);
    this.#done.add(item);
  }
}
