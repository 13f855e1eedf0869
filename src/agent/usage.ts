/** What the requests of a run have used, in tokens and money. */
import type { Usage } from '../protocol/messages.ts';
import type { Price } from './failover.ts';

/** The sum over one run's answers. */
export class RunUsage {
  /** Null once an answer's is missing. */
  #sum: Usage | null = { inputTokens: 0, outputTokens: 0 };
  /** Micro-dollars, once there was an answer; null once the price of one was not known. */
  #cost: number | null | undefined;

  /** Adds one answer: `usage` is null where the API left it out. */
  add(usage: Usage | null, price: Price | undefined): void {
    this.#sum = sum(this.#sum, usage);
    const cost = usage && costOf(usage, price);
    this.#cost = this.#cost === null || cost == null ? null : (this.#cost ?? 0) + cost;
  }

  /** Null when the API left out that of an answer. With `cost` if all of it is known. */
  get total(): Usage | null {
    return this.#sum && this.#cost != null ? { ...this.#sum, cost: Math.round(this.#cost) } : this.#sum;
  }
}

/** Micro-dollars: as many for a token as dollars for a million. */
export function costOf({ inputTokens, outputTokens }: Usage, price: Price | undefined): number | undefined {
  return price && inputTokens * price.input + outputTokens * price.output;
}

function sum(a: Usage | null, b: Usage | null): Usage | null {
  if (!a || !b) return null;
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    ...(a.estimated || b.estimated ? { estimated: true } : {}),
  };
}
