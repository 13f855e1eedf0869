/**
 * Budgets: what may be spent in one UTC day, by one sender and by all together, in runs, tokens and money. Every request to
 * a model is admitted first and settled afterwards, so a run over its budget ends before it has asked.
 *
 * Requests that go on at the same time must not spend the same remainder. So one is admitted beside others only when all
 * of them, each as dear as the dearest of the day, still fit; else it waits for them. The last request of a day may end
 * above the limit, since nobody knows its price before; the one after it is not made.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Config } from '../config/schema.ts';
import { DhaavakError } from '../protocol/errors.ts';
import type { SpendingTable, Spent } from '../storage/spending.ts';
import type { ResolvedModel } from './failover.ts';

/** Limits of one day; cost in micro-dollars. */
interface Limits {
  runs?: number | undefined;
  tokens?: number | undefined;
  cost?: number | undefined;
}

/** The budget of one run. */
export interface RunBudget {
  /**
   * Resolves when the run may make one request to `model`, to be followed by {@link settle}. Throws `budget_exceeded`,
   * `storage_failed`, or the reason of `signal`.
   */
  admit(model: ResolvedModel, signal: AbortSignal): Promise<void>;
  /** What the request admitted last has used: tokens, and micro-dollars. */
  settle(tokens: number, cost: number): void;
}

export interface BudgetDependencies {
  table: SpendingTable;
  /** This shard's number, and how many there are. */
  shard: number;
  shards: number;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds of a clock that only grows. */
  elapsed(): number;
  onFault(error: unknown): void;
}

const DAY_MS = 86_400_000;
/** A request that waits for others asks again after this long, and each time after twice as long, up to the limit. */
const WAIT_MIN_MS = 10;
const WAIT_MAX_MS = 320;
const MICRO = 1_000_000;
/** The record of all senders together. Senders have a colon in their names. */
const ALL = 'all';

type Verdict = 'admitted' | 'wait' | { over: string };

interface Scope {
  name: string;
  limits: Limits;
}

/** Undefined without a limit: then runs need no leave. */
export function createBudgets(config: Config['budgets'], dependencies: BudgetDependencies): Budgets | undefined {
  const limits = [config.perSenderPerDay, config.perDay];
  const limited = limits.some((limit) => Object.values(limit).some((value) => value !== undefined));
  return limited ? new Budgets(config, dependencies) : undefined;
}

export class Budgets {
  readonly #shared: BudgetDependencies;
  readonly #perSender: Limits;
  readonly #all: Limits;
  /** Days since the epoch when old records were taken out last. */
  #tidiedOn = 0;
  /** The machine's time when elapsed time was 0. */
  readonly #zero: number;

  constructor({ perSenderPerDay, perDay }: Config['budgets'], dependencies: BudgetDependencies) {
    this.#shared = dependencies;
    this.#perSender = inMicroDollars(perSenderPerDay);
    this.#all = inMicroDollars(perDay);
    const { shard, shards, now, elapsed } = dependencies;
    this.#zero = now() - elapsed();
    // Before the first request: the store keeps the order. What an earlier life of this shard left open has ended.
    this.#tidy((other) => other === shard || other >= shards);
  }

  /** Throws `budget_exceeded` for a model whose cost is limited and not known. */
  checkPrice(model: ResolvedModel): void {
    checkPrice(model, [this.#perSender, this.#all]);
  }

  /** For one run of a message by `sender`, `<channel>:<user>`. */
  ofRun(sender: string): RunBudget {
    if (this.#tidiedOn !== this.#today()) this.#tidy(() => false);
    const scopes = [
      { name: sender, limits: this.#perSender },
      { name: ALL, limits: this.#all },
    ].filter(({ limits }) => Object.values(limits).some((limit) => limit !== undefined));
    return new AdmittedRun(scopes, this.#shared);
  }

  /**
   * Takes out what is older than yesterday, whose last requests may still be going on. A machine's clock that was set
   * forwards by days may be set back: what was spent on those that were skipped over is not forgotten for that.
   */
  #tidy(isGone: (shard: number) => boolean): void {
    const { table, now, elapsed, onFault } = this.#shared;
    this.#tidiedOn = this.#today();
    const passed = Math.min(now(), this.#zero + elapsed());
    table.tidy(dayOf(passed - DAY_MS), isGone).catch(onFault);
  }

  #today(): number {
    return Math.floor(this.#shared.now() / DAY_MS);
  }
}

class AdmittedRun implements RunBudget {
  readonly #scopes: readonly Scope[];
  readonly #names: readonly string[];
  readonly #shared: BudgetDependencies;
  /** Day of the request that goes on: it is settled where it was admitted. */
  #day = '';
  #counted = false;

  constructor(scopes: readonly Scope[], shared: BudgetDependencies) {
    this.#scopes = scopes;
    this.#names = scopes.map(({ name }) => name);
    this.#shared = shared;
  }

  async admit(model: ResolvedModel, signal: AbortSignal): Promise<void> {
    checkPrice(
      model,
      this.#scopes.map(({ limits }) => limits),
    );
    // Asking, because the end of a request on another shard tells nobody here.
    for (let waitMs = WAIT_MIN_MS; !(await this.#tryAdmit()); waitMs = Math.min(2 * waitMs, WAIT_MAX_MS)) {
      await pause(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
    if (!signal.aborted) return;
    this.settle(0, 0);
    throw signal.reason;
  }

  settle(tokens: number, cost: number): void {
    const { table, shard, onFault } = this.#shared;
    const settled = table.change(this.#day, this.#names, (records) => {
      for (const spent of records) {
        spent.tokens += tokens;
        spent.cost += cost;
        spent.largest.tokens = Math.max(spent.largest.tokens, tokens);
        spent.largest.cost = Math.max(spent.largest.cost, cost);
        spent.open[shard] = Math.max(0, (spent.open[shard] ?? 0) - 1);
      }
    });
    settled.catch(onFault);
  }

  /** False: other requests have to end before it is known whether there is room. */
  async #tryAdmit(): Promise<boolean> {
    const { table, shard, now } = this.#shared;
    const at = now();
    const day = dayOf(at);
    const verdict = await this.#stored(() =>
      table.change(day, this.#names, (records): Verdict => {
        for (const [index, { name, limits }] of this.#scopes.entries()) {
          const over = exceeded(records[index]!, limits, this.#counted);
          if (over !== undefined) return { over: `the budget of ${name} is spent: ${over} today` };
        }
        if (this.#scopes.some(({ limits }, index) => mustWait(records[index]!, limits))) return 'wait';
        for (const spent of records) {
          if (!this.#counted) spent.runs += 1;
          spent.open[shard] = (spent.open[shard] ?? 0) + 1;
        }
        return 'admitted';
      }),
    );
    if (verdict === 'wait') return false;
    if (verdict !== 'admitted')
      throw new DhaavakError('budget_exceeded', verdict.over, { retryAfterMs: DAY_MS - (at % DAY_MS) });
    this.#day = day;
    this.#counted = true;
    return true;
  }

  async #stored<T>(change: () => Promise<T>): Promise<T> {
    try {
      return await change();
    } catch (error) {
      throw new DhaavakError('storage_failed', 'the budget could not be read and written', { cause: error });
    }
  }
}

function checkPrice({ price, reference }: ResolvedModel, limits: readonly Limits[]): void {
  if (price !== undefined || reference === 'offline' || limits.every(({ cost }) => cost === undefined)) return;
  throw new DhaavakError('budget_exceeded', `spending is limited, and models.prices has none for ${reference}`);
}

/** What is used up, in words; `counted`: the run is among the runs already. */
function exceeded(spent: Spent, { runs, tokens, cost }: Limits, counted: boolean): string | undefined {
  if (runs !== undefined && !counted && spent.runs >= runs) return `${spent.runs} of ${runs} runs`;
  if (tokens !== undefined && spent.tokens >= tokens) return `${spent.tokens} of ${tokens} tokens`;
  if (cost !== undefined && spent.cost >= cost) return `${dollars(spent.cost)} of ${dollars(cost)} dollars`;
  return undefined;
}

/** Whether the requests going on may leave nothing for one more. Before the first of a day has ended nobody knows. */
function mustWait(spent: Spent, { tokens, cost }: Limits): boolean {
  const open = Object.values(spent.open).reduce((sum, count) => sum + count, 0);
  if (open === 0) return false;
  const { largest } = spent;
  if (tokens !== undefined && (largest.tokens === 0 || spent.tokens + open * largest.tokens >= tokens)) return true;
  return cost !== undefined && (largest.tokens === 0 || spent.cost + open * largest.cost >= cost);
}

function inMicroDollars({ cost, ...rest }: Limits): Limits {
  return { ...rest, cost: cost === undefined ? undefined : Math.round(cost * MICRO) };
}

function dollars(micro: number): string {
  return (micro / MICRO).toFixed(4);
}

/** YYYY-MM-DD, in UTC. */
function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
