import type { Report } from './report.ts';

/**
 * Whether a run that was interrupted goes on from what is recorded. While it begins anew instead, a model that calls the
 * same tool again makes a new call, and only the call itself must not happen twice.
 */
const RUNS_GO_ON = false;

/** What tools have done to the world outside, where no crash takes it back: what must not be done twice is not. */
export class Effects {
  readonly #report: Report;
  readonly #done = new Set<string>();

  constructor(report: Report) {
    this.#report = report;
  }

  /** The tool call `call` orders `item`, a name that stands for what a message asked for. */
  ordered(item: string, call: string): void {
    const order = RUNS_GO_ON ? item : call;
    if (this.#done.has(order)) this.#report(`${item} was ordered twice`);
    this.#done.add(order);
  }
}
