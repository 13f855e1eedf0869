import { DhaavakError } from '../../protocol/errors.ts';
import type { Cut, Ending, Program } from './messages.ts';

/** Deepest input of a call: what is deeper could overflow the stack of whoever walks through it. */
const INPUT_DEPTH_MAX = 64;

/** What came of a call: `text` is what the tool said, as JSON of a value with `json`, or why it has failed. */
export interface CallOutcome {
  text: string;
  json: boolean;
  failed: boolean;
}

/** For a guest that is about to end. */
const NOT_MADE: CallOutcome = { text: 'the program has ended', json: false, failed: true };

/** A call the program has made. */
export interface MadeCall {
  name: string;
  /** JSON. */
  input: string;
  /** Undefined while it is under way. */
  outcome?: CallOutcome;
}

export interface Task {
  program: Program;
  /** Makes a call; never rejects. `number` counts from 1. `signal` aborts when the program has ended. */
  call(name: string, input: unknown, number: number, signal: AbortSignal): Promise<CallOutcome>;
  /** Ends the program. */
  signal: AbortSignal;
}

export interface Result {
  /** `lost`: the process it ran in died, and the second one too, or there was none, or it could not be run again in it. */
  ending: Ending | { status: 'lost'; text: string };
  console: string;
  /** In the order they were made. */
  calls: readonly MadeCall[];
}

/**
 * A program from its start to its result, through one or two hosts.
 *
 * When a host dies, the programs on it run again, each on a host of its own, from their beginning. A call is not made
 * again for that: as long as a program asks for what it has asked for before, it is given what came of it. One that asks
 * for something else before it has asked for all of that (it looks at the clock, say) is lost, since what it has done
 * could not be told from what it does.
 */
export class Execution {
  readonly program: Program;
  /** Runs for the second time: on a host of its own, so that it can harm no other again. */
  alone = false;
  readonly #task: Task;
  readonly #ended = new AbortController();
  readonly #result = Promise.withResolvers<Result>();
  readonly #calls: (MadeCall & { outcomeLater: Promise<CallOutcome> })[] = [];
  /** Those that this run has made. */
  #asked = new Set<MadeCall>();
  #console = '';
  #late: NodeJS.Timeout | undefined;

  constructor(task: Task) {
    this.#task = task;
    this.program = task.program;
  }

  get result(): Promise<Result> {
    return this.#result.promise;
  }

  get isOver(): boolean {
    return this.#ended.signal.aborted;
  }

  /**
   * What comes of a call. Throws where the program may not make it: the limits were checked in the guest already, so
   * whoever exceeds them here has left it.
   */
  async call(name: string, input: string): Promise<CallOutcome> {
    if (this.isOver) return NOT_MADE;
    const again = this.#calls.find((call) => call.name === name && call.input === input && !this.#asked.has(call));
    if (again !== undefined) {
      this.#asked.add(again);
      return again.outcomeLater;
    }
    const { callsMax, inputLengthMax } = this.program.limits;
    if (this.#calls.length >= callsMax || input.length > inputLengthMax)
      throw new Error('it made calls past its limits');
    if (this.#asked.size < this.#calls.length) {
      this.end({ status: 'lost', text: `its process died, and run again it did something else than before` });
      return NOT_MADE;
    }
    const outcomeLater = this.#make(name, input);
    const made = { name, input, outcomeLater };
    this.#calls.push(made);
    this.#asked.add(made);
    const outcome = await outcomeLater;
    Object.assign(made, { outcome });
    return outcome;
  }

  /** Throws for output past the limit. */
  print(text: string): void {
    const { consoleLengthMax } = this.program.limits;
    // The guest counts without its remarks about what it leaves out.
    if (this.#console.length > 2 * consoleLengthMax + 1_000) throw new Error('it printed past its limit');
    this.#console += `${text}\n`;
  }

  /** It stands in the queue, and is given up after so long. */
  waits(timeoutMs: number): void {
    this.#late = setTimeout(() => this.fail(new DhaavakError('busy', 'the sandbox had no room in time')), timeoutMs);
  }

  begins(): void {
    clearTimeout(this.#late);
  }

  /** Its host died: it will run again. */
  restart(): void {
    this.alone = true;
    this.#asked = new Set();
    this.#console = '';
  }

  /** The first end counts. Calls under way are told that nobody waits for them. */
  end(ending: Result['ending']): void {
    clearTimeout(this.#late);
    this.#ended.abort(new Error('the program that made this call has ended'));
    const calls = this.#calls.map(({ name, input, outcome }) => ({ name, input, ...(outcome && { outcome }) }));
    this.#result.resolve({ ending, console: this.#console, calls });
  }

  /**
   * No host will run it. One that was to run again has made calls, perhaps, and whoever waits must hear of them: it is lost.
   * One that never ran is rejected with the error.
   */
  fail(error: DhaavakError): void {
    if (this.alone) {
      this.end({ status: 'lost', text: `its process died, and it was not run again: ${error.message}` });
      return;
    }
    clearTimeout(this.#late);
    this.#ended.abort(error);
    this.#result.reject(error);
  }

  cut(cut: Cut): void {
    this.end({ status: 'cut', cut, lateMs: 0 });
  }

  #make(name: string, input: string): Promise<CallOutcome> {
    if (depthOf(input) > INPUT_DEPTH_MAX) {
      const text = `the input of ${name} is nested more than ${INPUT_DEPTH_MAX} deep`;
      return Promise.resolve({ text, json: false, failed: true });
    }
    return this.#task.call(name, JSON.parse(input), this.#calls.length + 1, this.#ended.signal);
  }
}

/** How deep arrays and objects are nested in a JSON text. */
function depthOf(json: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at];
    if (quoted) {
      if (character === '\\') at += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') {
      quoted = true;
    } else if (character === '{' || character === '[') {
      depth += 1;
      deepest = Math.max(deepest, depth);
    } else if (character === '}' || character === ']') {
      depth -= 1;
    }
  }
  return deepest;
}
