import type { Clock, TimerHandle } from '../../src/runtime/clock.ts';
import type { Random } from './random.ts';

/** 2024-01-01, in milliseconds since the epoch. */
const BEGINNING = 1_704_067_200_000;
/** How often time, when it moves on to what is due next, moves further: timers are late on a busy machine. */
const LATE_CHANCE = 0.1;
const LATE_MS_MAX = 20;
/** How often a step has taken a millisecond. */
const WORK_CHANCE = 0.02;
/** How often the machine stands still for long. */
const FREEZE_CHANCE = 0.002;
const FREEZE_MS_MAX = 8_000;

/** Something that is going to happen. */
interface Happening {
  /** Those of one queue happen in order; of several queues' that are due, any may be first. */
  queue: string;
  /** Milliseconds from the beginning. */
  at: number;
  order: number;
  /** The process it dies with; undefined: it happens outside. */
  process: ProcessClock | undefined;
  run(): void;
}

/**
 * Simulated time, and the order of all that happens in it. Nothing happens but through {@link step}: it picks one of the
 * happenings that are due, by the seed, and when none is lets time pass until one is.
 */
export class SimulatedClock {
  readonly #random: Random;
  readonly #waiting: Happening[] = [];
  #elapsed = 0;
  #order = 0;
  /** What the machine's clock was set forward, or back, since the beginning. */
  #wallShift = 0;
  /** False: it is exact, as at the end of a world. */
  unsteady = true;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Milliseconds since the beginning: it only grows. */
  get elapsed(): number {
    return this.#elapsed;
  }

  /** Milliseconds since the epoch, as the machine has it. */
  now(): number {
    return BEGINNING + this.#elapsed + this.#wallShift;
  }

  /** Sets the machine's clock, as NTP does or an operator. Timers take no notice. */
  shiftWall(ms: number): void {
    this.#wallShift += ms;
  }

  /** Has something happen in `ms` milliseconds. `inOrder`: not before the last of its queue. Returns how to prevent it. */
  schedule(
    queue: string,
    ms: number,
    run: () => void,
    { process, inOrder = false }: { process?: ProcessClock; inOrder?: boolean } = {},
  ): () => void {
    let at = this.#elapsed + ms;
    if (inOrder) {
      for (const other of this.#waiting) if (other.queue === queue && other.at > at) at = other.at;
    }
    const happening: Happening = { queue, at, order: this.#order++, process, run };
    this.#waiting.push(happening);
    return () => this.#remove(happening);
  }

  /** The process is gone: nothing of it happens any more. */
  end(process: ProcessClock): void {
    const left = this.#waiting.filter((happening) => happening.process !== process);
    this.#waiting.splice(0, this.#waiting.length, ...left);
  }

  /** Lets one thing happen. False: nothing ever will. */
  step(): boolean {
    if (this.#waiting.length === 0) return false;
    const next = this.#waiting.reduce((least, { at }) => Math.min(least, at), Infinity);
    if (next > this.#elapsed) this.#elapsed = next + this.#lateness();
    // What is done takes its time as well: who asks again and again does not stop the clock.
    else if (this.#random.chance(WORK_CHANCE)) this.#elapsed += 1;
    const happening = this.#random.pick(this.#due());
    this.#remove(happening);
    happening.run();
    return true;
  }

  /** Of each queue the first that is due. */
  #due(): Happening[] {
    const first = new Map<string, Happening>();
    for (const happening of this.#waiting) {
      if (happening.at > this.#elapsed) continue;
      const other = first.get(happening.queue);
      const isEarlier =
        other === undefined || happening.at < other.at || (happening.at === other.at && happening.order < other.order);
      if (isEarlier) first.set(happening.queue, happening);
    }
    return [...first.values()];
  }

  #lateness(): number {
    if (!this.unsteady) return 0;
    if (this.#random.chance(FREEZE_CHANCE)) return this.#random.between(0, FREEZE_MS_MAX);
    return this.#random.chance(LATE_CHANCE) ? this.#random.between(1, LATE_MS_MAX) : 0;
  }

  #remove(happening: Happening): void {
    const index = this.#waiting.indexOf(happening);
    if (index < 0) return;
    // The place in the array says nothing: the last one may take it.
    const last = this.#waiting.pop()!;
    if (last !== happening) this.#waiting[index] = last;
  }
}

/** A timer as Node's: it can be put off. */
export interface SimulatedTimer extends TimerHandle {
  refresh(): this;
  unref(): this;
  cancel(): void;
}

/** The time of one process: its timers and immediates, gone with it. Timers that are due fire in the order of their times. */
export class ProcessClock implements Clock {
  readonly #clock: SimulatedClock;
  readonly #name: string;
  readonly #timers = new Set<SimulatedTimer>();

  constructor(clock: SimulatedClock, name: string) {
    this.#clock = clock;
    this.#name = name;
  }

  /** Timers that wait. */
  get timers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#clock.now();
  }

  elapsed(): number {
    return this.#clock.elapsed;
  }

  setTimeout(callback: () => void, ms = 0): SimulatedTimer {
    // Node's own minimum, and what it makes of what is no time.
    const delay = ms >= 1 && ms <= 2 ** 31 - 1 ? Math.trunc(ms) : 1;
    const fire = () => {
      this.#timers.delete(timer);
      callback();
    };
    const start = () => {
      this.#timers.add(timer);
      return this.#clock.schedule(`${this.#name} timers`, delay, fire, { process: this });
    };
    let stop = () => {};
    const timer: SimulatedTimer = {
      refresh() {
        stop();
        stop = start();
        return timer;
      },
      unref: () => timer,
      cancel: () => {
        this.#timers.delete(timer);
        stop();
      },
    };
    return timer.refresh();
  }

  setInterval(callback: () => void, ms = 0): SimulatedTimer {
    const timer = this.setTimeout(() => {
      timer.refresh();
      callback();
    }, ms);
    return timer;
  }

  clearTimeout(handle: TimerHandle): void {
    (handle as SimulatedTimer).cancel();
  }

  setImmediate(callback: () => void): void {
    this.#clock.schedule(`${this.#name} immediates`, 0, callback, { process: this });
  }

  /** Something from outside the process, in about `ms` milliseconds: I/O that has ended, a model's next word. */
  later(queue: string, ms: number, run: () => void, inOrder = false): () => void {
    return this.#clock.schedule(`${this.#name} ${queue}`, ms, run, { process: this, inOrder });
  }

  end(): void {
    this.#clock.end(this);
    this.#timers.clear();
  }
}
