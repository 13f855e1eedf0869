/**
 * A simulation of a whole gateway, in the manner of FoundationDB's and TigerBeetle's: the real runtime, sessions, agent loop
 * and journal, in one thread, in a world where time, the order of all that happens, the disk, the network, the models, the
 * tools and the people are made up, and all of it by one seed. In an hour of that world, which takes some milliseconds,
 * connections are cut, the process is killed, the power fails, the disk is full; and at every step the promises of
 * `docs/architecture.md` are checked (`invariants/`).
 *
 * ```
 *   plan.ts      what the seed decides beforehand: how large the world is, what goes wrong in it
 *   world.ts     runs it: step after step until all is done, then without faults until it comes to rest
 *   clock.ts     simulated time: of all that is due, the seed picks what happens next
 *   disk.ts      what was committed, what is durable, what a loss of power takes; lmdb.ts puts it in lmdb's place
 *   client.ts    who sends, cancels, resets, hangs up and comes back, over a network.ts
 *   gateway.ts   the front end, and shard.ts behind it: the composition of src/shards/worker.ts
 *   model.ts, tools.ts   what agents talk to
 *   faults.ts    what breaks
 *   witness.ts   sees it all, and keeps the first promise that was broken
 *   mutants.ts   faults that are built in, to see whether they are found
 * ```
 *
 * To use it: a test must put `lmdb.ts` in the place of lmdb (see `test/faults/row04-simulation.test.ts`). A seed that finds
 * something is run again, with all its trace, by
 *
 * ```
 * SEED=4711 npx vitest run test/faults/row04-simulation.test.ts
 * ```
 *
 * A new promise is a sentence in `invariants/`, a new fault a line in `faults.ts` and `plan.ts`. Seeds keep their meaning only
 * as long as nothing here or in the code under test asks for random numbers in another order.
 */
import { SimulatedClient } from './client.ts';
import { type ProcessClock, SimulatedClock } from './clock.ts';
import { Disk } from './disk.ts';
import { Faults } from './faults.ts';
import { Gateway } from './gateway.ts';
import { takeOverTime } from './globals.ts';
import type { Mutant } from './mutants.ts';
import { planOf } from './plan.ts';
import { Random } from './random.ts';
import { Trace } from './trace.ts';
import { Witness } from './witness.ts';

export interface Outcome {
  seed: number;
  steps: number;
  /** Simulated, in milliseconds. */
  elapsedMs: number;
  /** The first promise that was broken; undefined: all were kept. */
  broken: string | undefined;
  trace: Trace;
}

/** Steps until a world must have come to rest. */
const STEPS_MAX = 50_000;

/** Node's own, before anybody puts something else there. */
const { setImmediate } = globalThis;

/** Runs the world of a seed. `home`: a folder that may be there; nothing is written to it. */
export async function simulate(seed: number, home: string, mutant: Mutant = {}): Promise<Outcome> {
  const world = new World(seed, home, mutant);
  return world.run();
}

class World {
  readonly #seed: number;
  readonly #clock: SimulatedClock;
  readonly #trace: Trace;
  readonly #witness: Witness;
  readonly #gateway: Gateway;
  readonly #faults: Faults;
  readonly #clients: SimulatedClient[];
  readonly #disk = new Disk();
  #steps = 0;
  #numbers = 0;

  constructor(seed: number, home: string, mutant: Mutant) {
    const random = new Random(seed);
    const plan = planOf(random, home);
    this.#seed = seed;
    this.#clock = new SimulatedClock(random);
    const clock = this.#clock;
    this.#trace = new Trace(() => `${this.#steps} ${clock.elapsed}`);
    const trace = this.#trace;
    const disk = this.#disk;
    const step = () => this.#steps;
    this.#witness = new Witness({ trace, disk, config: plan.config, step });
    const witness = this.#witness;
    const nextNumber = () => ++this.#numbers;
    const newId = () => `i${nextNumber()}`;
    const isStormy = () => !this.#faults.isOver;
    const { home: _, ...config } = plan.config;
    trace.note(`plan ${JSON.stringify({ ...plan, config })}`);
    const die = () => this.#faults.endProcess();
    this.#gateway = new Gateway({ plan, clock, random, disk, trace, witness, mutant, isStormy, step, newId, die });
    this.#faults = new Faults({ plan, clock, random, disk, gateway: this.#gateway, trace });
    const { network } = this.#gateway;
    const { report } = witness;
    this.#clients = Array.from(
      { length: plan.clients },
      (_, index) => new SimulatedClient({ plan, clock, random, network, report, nextNumber }, `client ${index}`),
    );
  }

  async run(): Promise<Outcome> {
    const giveBack = takeOverTime(this.#clock, () => this.#gateway.clock as ProcessClock);
    try {
      await this.#live();
    } finally {
      giveBack();
    }
    const { broken } = this.#witness;
    return { seed: this.#seed, steps: this.#steps, elapsedMs: this.#clock.elapsed, broken, trace: this.#trace };
  }

  async #live(): Promise<void> {
    this.#gateway.start();
    // Everybody does what they want, and all goes wrong that may.
    await this.#until(() => this.#clients.every((client) => client.isDone));
    this.#faults.end();
    await this.#until(() => this.#isAtRest('inbox'));
    if (this.#witness.broken !== undefined) return;
    // Nothing was in memory only, and nobody has to ask for what is left to be done.
    for (const client of this.#clients) client.leave();
    this.#faults.kill(false);
    await this.#until(() => this.#isAtRest('inbox', 'deletions')); // a deletion that failed goes on with the next start
    this.#witness.messages.finished();
    await this.#leave();
  }

  /** Nobody does anything any more, and nothing is left to be done in these tables. */
  #isAtRest(...tables: string[]): boolean {
    const isIdle = this.#gateway.isIdle && this.#clients.every((client) => client.isDone);
    return isIdle && tables.every((table) => this.#disk.visible.of(table).rows.length === 0);
  }

  /** Stops the gateway, and sees that nothing of it is left. */
  async #leave(): Promise<void> {
    const { shard } = this.#gateway;
    let isGone = false;
    void shard?.drain(0).then(() => {
      isGone = true;
    });
    await this.#until(() => isGone);
    if (this.#witness.broken === undefined && shard !== undefined && shard.clock.timers > 0) {
      this.#witness.report(`${shard.clock.timers} timers are left when all is over`);
    }
  }

  /** Lets things happen, one after the other, until it is `over` or a promise is broken. */
  async #until(over: () => boolean): Promise<void> {
    const { report } = this.#witness;
    while (this.#witness.broken === undefined && !over()) {
      if (this.#steps >= STEPS_MAX) return report(`the world does not come to rest: ${this.#work}`);
      this.#steps += 1;
      if (!this.#clock.step()) return report(`nothing happens any more: ${this.#work}`);
      // All that follows at once, to its end.
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.#faults.strike();
    }
  }

  get #work(): string {
    return [this.#gateway.work, ...this.#clients.map(({ work }) => work)].join('; ');
  }
}
