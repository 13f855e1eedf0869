import type { SimulatedClock } from './clock.ts';
import type { Disk } from './disk.ts';
import type { Gateway } from './gateway.ts';
import type { Plan } from './plan.ts';
import type { Random } from './random.ts';
import type { Trace } from './trace.ts';

export interface FaultParts {
  plan: Plan;
  clock: SimulatedClock;
  random: Random;
  disk: Disk;
  gateway: Gateway;
  trace: Trace;
}

/** Starts of a gateway in a world that some fault makes necessary: a world must come to an end. */
const ENDS_MAX = 8;
/** Longest time until the gateway is started again, in milliseconds. */
const DOWN_MS_MAX = 3_000;
const FULL_MS_MAX = 5_000;
/** How far the machine's clock is set at once: idempotency keys are kept by days. */
const SHIFT_MS_MAX = 3 * 24 * 3_600_000;

/** What goes wrong in a world. */
export class Faults {
  readonly #parts: FaultParts;
  #ends = 0;
  #isDown = false;
  #isOver = false;

  constructor(parts: FaultParts) {
    this.#parts = parts;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Between two steps of the world: now and then something breaks. */
  strike(): void {
    const { plan, random, gateway, clock, trace } = this.#parts;
    const { faults } = plan;
    if (this.#isOver) return;
    if (random.chance(faults.cut) && gateway.network.connections.length > 0) {
      random.pick(gateway.network.connections).cut();
    }
    if (random.chance(faults.diskFull)) this.#fillDisk();
    if (random.chance(faults.clockShift)) {
      const ms = random.between(-SHIFT_MS_MAX, SHIFT_MS_MAX);
      trace.note(`the clock is set by ${ms} ms`);
      clock.shiftWall(ms);
    }
    if (this.#isDown || this.#ends >= ENDS_MAX) return;
    if (random.chance(faults.kill)) this.kill(random.chance(0.5));
    else if (random.chance(faults.shardLoss)) this.#down(() => gateway.loseShard());
    else if (random.chance(faults.drain)) this.#drain();
  }

  /** Something in the process ends it, as soon as it has let go. */
  endProcess(): void {
    this.#parts.clock.schedule('operator', 0, () => {
      if (!this.#isDown) this.kill(false);
    });
  }

  /** The process ends at once: it alone, or with the power of the machine. */
  kill(powerFails: boolean): void {
    const { disk, gateway, random, trace } = this.#parts;
    trace.note(powerFails ? 'the power fails' : 'kill -9');
    this.#down(() => {
      if (powerFails) {
        const kept = random.between(0, disk.unflushed);
        trace.note(`the disk keeps ${kept} of ${disk.unflushed} commits that were not flushed`);
        disk.lose(kept);
      }
      gateway.kill();
    });
  }

  /** Nothing goes wrong any more. */
  end(): void {
    const { clock, disk } = this.#parts;
    this.#isOver = true;
    disk.full = false;
    clock.unsteady = false;
  }

  #down(how: () => void): void {
    const { gateway, clock, random } = this.#parts;
    this.#ends += 1;
    this.#isDown = true;
    how();
    clock.schedule('operator', random.between(1, DOWN_MS_MAX), () => {
      this.#isDown = false;
      gateway.start();
    });
  }

  #drain(): void {
    const { gateway, trace } = this.#parts;
    trace.note('SIGTERM');
    this.#ends += 1;
    gateway.drain(() => this.#down(() => gateway.kill()));
  }

  #fillDisk(): void {
    const { clock, disk, random, trace } = this.#parts;
    trace.note('the disk is full');
    disk.full = true;
    clock.schedule('operator', random.between(1, FULL_MS_MAX), () => {
      trace.note('the disk has room');
      disk.full = false;
    });
  }
}
