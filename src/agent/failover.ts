/**
 * Failover: which model answers when the one that should cannot. Before any output of a turn the next model in line is
 * asked; after it the error stands, since half an answer cannot be taken back. A model that failed cools down, and while
 * it does it is passed over wherever there is another.
 */
import { DhaavakError } from '../protocol/errors.ts';
import type { ContextWindow } from './context-window.ts';
import type { ModelProvider } from './provider.ts';

/** What a model reference means. */
export interface ResolvedModel {
  provider: ModelProvider;
  /** The model's name at this provider. */
  name: string;
  /** The reference in full, as sessions and events show it. */
  reference: string;
  /** Undefined: not known. */
  price?: Price | undefined;
  /** Undefined: as its name says. */
  window?: ContextWindow | undefined;
}

/** US dollars for a million tokens, which is as many micro-dollars for one. */
export interface Price {
  input: number;
  output: number;
}

/** How long a model cools down after its first failure in a row, its second, and every later one, in milliseconds. */
const COOLDOWNS_MS = [30_000, 60_000, 300_000] as const;
/** The longest a Retry-After may extend that, in milliseconds: an API that asks for days is tried again before. */
const COOLDOWN_MAX_MS = 3_600_000;

interface Failures {
  inARow: number;
  /** As `now` of {@link Cooldowns} has it. */
  coolUntil: number;
}

/**
 * Which models failed of late. Kept by model and not by provider: APIs limit and overload by model, and the next in line
 * may well be a smaller one of the same vendor. Each shard learns for itself; nothing is kept over a restart.
 */
export class Cooldowns {
  readonly #now: () => number;
  readonly #failures = new Map<string, Failures>();

  /** `now`: milliseconds of a clock that only grows. */
  constructor(now: () => number) {
    this.#now = now;
  }

  cooling(reference: string): boolean {
    return (this.#failures.get(reference)?.coolUntil ?? 0) > this.#now();
  }

  /**
   * Cools the model down for 30 s, 1 min or 5 min, and at least as long as its API asked for. Failures while it cools
   * count once: runs that were already waiting for it say nothing new.
   */
  failed(reference: string, retryAfterMs = 0): void {
    const now = this.#now();
    const before = this.#failures.get(reference);
    const cooling = before !== undefined && before.coolUntil > now;
    const inARow = cooling ? before.inARow : (before?.inARow ?? 0) + 1;
    const stepMs = COOLDOWNS_MS[Math.min(inARow, COOLDOWNS_MS.length) - 1]!;
    const until = now + Math.min(Math.max(cooling ? 0 : stepMs, retryAfterMs), COOLDOWN_MAX_MS);
    this.#failures.set(reference, { inARow, coolUntil: Math.max(until, before?.coolUntil ?? 0) });
  }

  succeeded(reference: string): void {
    if (this.#failures.size > 0) this.#failures.delete(reference);
  }
}

/** The models of one run, in the order they are asked. A run never goes back to one that failed it. */
export class ModelLine {
  /** At least one. */
  readonly models: readonly ResolvedModel[];
  /** References passed over because they cool down. */
  readonly skipped: readonly string[];
  readonly #cooldowns: Cooldowns;
  #index = 0;

  /** `models`: at least one. When all of them cool down, all are asked. */
  constructor(models: readonly [ResolvedModel, ...ResolvedModel[]], cooldowns: Cooldowns) {
    this.#cooldowns = cooldowns;
    const warm = models.length === 1 ? models : models.filter(({ reference }) => !cooldowns.cooling(reference));
    this.models = warm.length > 0 ? warm : models;
    this.skipped = models.filter((model) => !this.models.includes(model)).map(({ reference }) => reference);
  }

  /** The model to ask now. */
  get current(): ResolvedModel {
    return this.models[this.#index]!;
  }

  /** To be told of every answer that came whole. */
  succeeded(): void {
    this.#cooldowns.succeeded(this.current.reference);
  }

  /** To be told how the current model failed. Returns whether another model might do better. */
  failed(error: unknown): boolean {
    if (!(error instanceof DhaavakError)) return false;
    if (error.code !== 'model_unavailable' && error.code !== 'model_stalled') return false;
    this.#cooldowns.failed(this.current.reference, error.retryAfterMs);
    return true;
  }

  /** Moves on; false when there is no other model. */
  next(): boolean {
    if (this.#index + 1 >= this.models.length) return false;
    this.#index += 1;
    return true;
  }
}
