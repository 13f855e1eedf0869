// @ts-check
/**
 * @import IsolatedVm from 'isolated-vm'
 * @import { Cut, Ending, Program } from './messages.ts'
 */
import { prelude } from './prelude.mjs';

/** How long after it was cut a guest may still be running before its call is answered all the same. */
const STOP_MS = 75;
/**
 * One that still runs then is in a function of V8 that looks at no interrupt, and only the end of the process stops it. Or
 * its thread has not had its turn among many: beside other guests it is given this much more.
 */
const LEAVE_MS = 1_000;
/** What is said of an error is no longer, in UTF-16 code units. */
const ERROR_LENGTH_MAX = 2_000;
/** Looks in a row at which nothing may be under way; see {@link Guest.look}. */
const IDLE_LOOKS_MAX = 5;
/** A guest can't send more than this beyond its calls and its console output. */
const MESSAGES_SLACK = 16;

/**
 * @typedef {object} GuestEvents
 * @property {(call: number, name: string, input: string) => void} call
 * @property {(text: string) => void} console
 * @property {(ending: Ending) => void} end Once.
 * @property {() => boolean} isAlone Whether no other guest is in this process.
 * @property {() => void} stuck After `end`: it still runs, and nothing stops it.
 */

/**
 * An isolate that nobody has used: the language and the prelude, about 3 ms of work.
 *
 * @typedef {object} Cell
 * @property {IsolatedVm.Isolate} isolate
 * @property {IsolatedVm.Context} context
 * @property {IsolatedVm.Reference} prepare
 * @property {IsolatedVm.Reference} run
 * @property {IsolatedVm.Reference} answer
 * @property {{ to?: (kind: unknown, number: unknown, first: unknown, second: unknown) => void }} receiver
 */

/**
 * Only strings, numbers and booleans ever cross: `send` is given to the prelude as a callback, which copies its
 * arguments; the references to the prelude's functions stay on this side.
 *
 * @param {typeof IsolatedVm} ivm
 * @param {number} memoryMb
 * @param {() => void} onCatastrophe V8 has lost an isolate: the process must end.
 * @returns {Promise<Cell>}
 */
export async function makeCell(ivm, memoryMb, onCatastrophe) {
  const isolate = new ivm.Isolate({ memoryLimit: memoryMb, onCatastrophicError: onCatastrophe });
  const context = await isolate.createContext();
  /** @type {Cell['receiver']} */
  const receiver = {};
  const send = new ivm.Callback(
    (
      /** @type {unknown} */ kind,
      /** @type {unknown} */ number,
      /** @type {unknown} */ first,
      /** @type {unknown} */ second,
    ) => receiver.to?.(kind, number, first, second),
    { ignored: true },
  );
  const functions = await context.evalClosure(`return (${prelude})($0)`, [send], { result: { reference: true } });
  const [prepare, run, answer] = await Promise.all([
    functions.get('prepare', { reference: true }),
    functions.get('run', { reference: true }),
    functions.get('answer', { reference: true }),
  ]);
  functions.release();
  return { isolate, context, prepare, run, answer, receiver };
}

/** One program in an isolate of its own, from its beginning to the end of the isolate. */
export class Guest {
  #cell;
  #program;
  #events;
  /** @type {Ending | undefined} */
  #ending;
  /** Times the host is inside the isolate. */
  #entries = 0;
  /** Tool calls that are under way: while there are any, the clock stands. */
  #waiting = 0;
  #sleeping = 0;
  #messages = 0;
  #idleLooks = 0;
  #ownMs = 0;
  #runsSince = performance.now();
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #due = 0;
  #told = false;

  /** @param {Cell} cell @param {Program} program @param {GuestEvents} events */
  constructor(cell, program, events) {
    this.#cell = cell;
    this.#program = program;
    this.#events = events;
    cell.receiver.to = (kind, number, first, second) => this.#take(kind, number, first, second);
    this.#wind();
    void this.#start();
  }

  async #start() {
    const { isolate, context, prepare, run } = this.#cell;
    const { source, modules, granted, limits } = this.#program;
    await this.#enter(async () => {
      await prepare.apply(undefined, [JSON.stringify({ ...limits, granted: granted.toSorted() })]);
      const exports = modules && (await this.#load(modules));
      // The source begins on the line that is number one to V8 too, so that errors name the lines of who wrote it.
      const script = await isolate
        .compileScript(`(async (${modules ? 'plugin' : ''}) => {'use strict';\n${source}\n})`, {
          filename: 'code.js',
          lineOffset: -1,
        })
        .catch((error) => this.#end({ status: 'threw', text: told(error) }));
      if (script === undefined) return;
      const program = await script.run(context, { reference: true, release: true });
      await run.apply(undefined, [program.derefInto({ release: true }), exports?.derefInto({ release: true })]);
    });
  }

  /**
   * The exports of the entry. What a module imports is another of them, or nothing: no name leads out of the map.
   *
   * @param {NonNullable<Program['modules']>} modules
   */
  async #load({ entry, files }) {
    const { isolate, context } = this.#cell;
    /** @type {Map<string, Promise<IsolatedVm.Module>>} */
    const compiled = new Map();
    /** @type {Map<IsolatedVm.Module, string>} */
    const paths = new Map();
    const compile = async (/** @type {string} */ path) => {
      const module = await isolate.compileModule(/** @type {string} */ (files[path]), { filename: `plugin/${path}` });
      paths.set(module, path);
      return module;
    };
    const find = (/** @type {string} */ path) => {
      const made = compiled.get(path) ?? compile(path);
      compiled.set(path, made);
      return made;
    };
    const main = await find(entry);
    await main.instantiate(context, (specifier, referrer) => {
      const path = pathOf(specifier, paths.get(referrer) ?? entry);
      if (path !== undefined && Object.hasOwn(files, path)) return find(path);
      throw new Error(`${paths.get(referrer)} imports "${specifier}": only files of the plugin itself can be imported`);
    });
    await main.evaluate();
    return main.namespace;
  }

  /** Brings the outcome of a call. @param {number} call @param {boolean} failed @param {boolean} json @param {string} text */
  answer(call, failed, json, text) {
    if (this.#ending !== undefined) return;
    this.#waiting -= 1;
    this.#wind();
    void this.#enter(() => this.#cell.answer.apply(undefined, [call, failed, json, text]));
  }

  /** Ends it before its program does. @param {Cut} cut */
  cut(cut) {
    const due = performance.now();
    this.#end({ status: 'cut', cut, lateMs: 0 }, due);
  }

  /**
   * To be called every few milliseconds: processor time has no timer. A guest in which nothing runs and that waits for
   * nothing will never end; it is told at once, instead of when its time is up.
   */
  look() {
    if (this.#ending !== undefined) return;
    const cpuMs = this.#cpuMs();
    if (cpuMs === undefined) return this.cut('memory');
    if (cpuMs > this.#program.limits.cpuMs) return this.cut('cpu');
    const idle = this.#entries === 0 && this.#waiting === 0 && this.#sleeping === 0;
    this.#idleLooks = idle ? this.#idleLooks + 1 : 0;
    if (this.#idleLooks > IDLE_LOOKS_MAX) this.cut('hung');
  }

  /** Undefined: the isolate is gone, which it only is of itself when its memory was used up. */
  #cpuMs() {
    try {
      return Number(this.#cell.isolate.cpuTime) / 1e6;
    } catch {
      return undefined;
    }
  }

  /** Runs `inside` and makes what goes wrong there the end. @param {() => Promise<unknown>} inside */
  async #enter(inside) {
    this.#entries += 1;
    try {
      await inside();
    } catch (error) {
      const text = told(error);
      if (text.includes('memory limit')) this.#end({ status: 'cut', cut: 'memory', lateMs: 0 });
      else this.#end({ status: 'threw', text });
    } finally {
      this.#entries -= 1;
      if (this.#ending !== undefined && this.#entries === 0) this.#left();
    }
  }

  /** @param {unknown} kind @param {unknown} number @param {unknown} first @param {unknown} second */
  #take(kind, number, first, second) {
    if (this.#ending !== undefined || typeof number !== 'number') return;
    if (typeof first !== 'string' || typeof second !== 'string') return;
    const { callsMax, consoleLengthMax } = this.#program.limits;
    this.#messages += 1;
    if (this.#messages > callsMax + consoleLengthMax + MESSAGES_SLACK) return this.cut('stuck');
    if (kind === 'call' && first === '#sleep') this.#sleep(number, Number(second));
    else if (kind === 'call') this.#call(number, first, second);
    else if (kind === 'console') this.#events.console(first);
    else if (kind === 'ok' || kind === 'threw') this.#end({ status: kind, text: first });
  }

  /** @param {number} call @param {string} name @param {string} input */
  #call(call, name, input) {
    this.#waiting += 1;
    this.#wind();
    this.#events.call(call, name, input);
  }

  /** @param {number} call @param {number} ms */
  #sleep(call, ms) {
    this.#sleeping += 1;
    setTimeout(
      () => {
        this.#sleeping -= 1;
        if (this.#ending === undefined) {
          void this.#enter(() => this.#cell.answer.apply(undefined, [call, false, false, '']));
        }
      },
      Math.min(ms, this.#program.limits.timeoutMs),
    ).unref();
  }

  /** Sets the clock going, or stops it while a call is under way. */
  #wind() {
    const now = performance.now();
    if (this.#timer !== undefined) this.#ownMs += now - this.#runsSince;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting > 0 || this.#ending !== undefined) return;
    this.#runsSince = now;
    const leftMs = this.#program.limits.timeoutMs - this.#ownMs;
    this.#timer = setTimeout(() => this.#end({ status: 'cut', cut: 'time', lateMs: 0 }, now + leftMs), leftMs);
  }

  /**
   * The isolate goes with its program, whether that has left anything running or not. The end is told when the guest does
   * not run any more, and at once where the program has said it.
   *
   * @param {Ending} ending
   * @param {number} [due] when it should have ended; default: now
   */
  #end(ending, due = performance.now()) {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    this.#due = due;
    this.#wind();
    if (!this.#cell.isolate.isDisposed) this.#cell.isolate.dispose();
    if (this.#entries === 0) return this.#left();
    const wasCut = ending.status === 'cut';
    if (!wasCut) this.#tell();
    this.#timer = setTimeout(() => this.#stays(), wasCut ? STOP_MS : LEAVE_MS);
  }

  #stays() {
    this.#tell();
    if (this.#events.isAlone()) this.#events.stuck();
    else this.#timer = setTimeout(this.#events.stuck, LEAVE_MS);
  }

  #left() {
    clearTimeout(this.#timer);
    this.#tell();
  }

  #tell() {
    if (this.#told) return;
    this.#told = true;
    const ending = /** @type {Ending} */ (this.#ending);
    if (ending.status === 'cut') ending.lateMs = Math.round(performance.now() - this.#due);
    this.#events.end(ending);
  }
}

/** Of `./words.mjs` imported by `lib/count.mjs` it is `lib/words.mjs`. @param {string} specifier @param {string} importer */
function pathOf(specifier, importer) {
  if (!/^\.\.?\//.test(specifier)) return undefined;
  return URL.parse(specifier, `file:///${importer}`)?.pathname.slice(1);
}

/** What isolated-vm throws, as a model can read it. @param {unknown} error */
function told(error) {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.replace(/\s*\[([\w./-]+):(\d+):(\d+)\]$/, '\n    at $1:$2:$3').slice(0, ERROR_LENGTH_MAX);
}
