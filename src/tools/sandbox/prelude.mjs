// @ts-check
/**
 * @import { GuestLimits } from './messages.ts'
 */

/**
 * What a guest finds beside the language. Runs inside the isolate: the host passes this function's *text*, so it can use
 * nothing from outside. `send(kind, number, text, text)` is the only way out, and stays in here: whoever had it could
 * flood the host. It is therefore never passed on, and everything here is strict, so that no stack gives it away.
 *
 * A guest may break every prototype before anything below runs; what is counted and cut here is counted in variables
 * that it cannot reach, and the host counts again.
 *
 * Returns what the host calls: `prepare` sets up what a program finds, `run` starts it, `answer` brings the outcome of a call.
 *
 * @param {(kind: string, number: number, first: string, second: string) => void} send
 */
export function prelude(send) {
  const scope = /** @type {Record<string, any>} */ (globalThis);
  const { parse, stringify } = JSON;
  const { defineProperty, hasOwn } = Object;
  const [makePromise, makeString, toolFailure] = [Promise, String, class ToolError extends Error {}];
  /** @type {GuestLimits} */
  let limits;
  const STACK_LINES_MAX = 5;
  const CAUSES_MAX = 3;
  let calls = 0;
  let underWay = 0;
  let consoleLength = 0;
  /** @type {Map<number, { resolve(value: unknown): void, reject(error: Error): void, failure: Error }>} */
  const pending = new Map();
  /** Calls that wait for one that is under way. @type {(() => void)[]} */
  const waiting = [];

  // They have no use here; with them a thread could wait without end, or memory be taken that no limit counts.
  for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics']) delete scope[name];

  /** @param {string} text @param {number} lengthMax */
  function cut(text, lengthMax) {
    if (text.length <= lengthMax) return text;
    return `${text.slice(0, lengthMax)}\n[${text.length - lengthMax} more characters were cut]`;
  }

  /** JSON has no word for these. @param {string} _key @param {any} value */
  function plain(_key, value) {
    if (typeof value === 'bigint') return makeString(value);
    if (value instanceof Map) return [...value];
    if (value instanceof Set) return [...value];
    return value;
  }

  /** @param {unknown} value @returns {string} */
  function asText(value) {
    if (typeof value === 'string') return value;
    if (value instanceof Error) return describe(value);
    try {
      return stringify(value, plain) ?? makeString(value);
    } catch {
      return makeString(value);
    }
  }

  /**
   * The message of what was thrown, and which lines of the program it went through.
   *
   * @param {any} error
   * @param {number} [depth] of causes
   * @returns {string}
   */
  function describe(error, depth = 0) {
    try {
      if (!(error instanceof Error)) return `threw ${asText(error)}`;
      const all = makeString(error.stack).match(/(?:code\.js|plugin\/[\w./-]+):\d+:\d+/g) ?? [];
      const lines = [...new Set(all)].slice(0, STACK_LINES_MAX);
      const last = depth >= CAUSES_MAX || !(error.cause instanceof Error);
      const cause = last ? '' : `\n  caused by ${describe(error.cause, depth + 1)}`;
      return `${error.name}: ${error.message}${lines.map((line) => `\n    at ${line}`).join('')}${cause}`;
    } catch {
      return 'threw something that cannot be described';
    }
  }

  /** @param {string} name @param {unknown} input */
  function call(name, input) {
    // Made here for its stack: when the answer comes, the line that has called is not on it any more.
    const failure = new toolFailure();
    return new makePromise((resolve, reject) => {
      const json = stringify(input === undefined ? {} : input) ?? 'null';
      if (json.length > limits.inputLengthMax) {
        throw new RangeError(`the input of ${name} has ${json.length} characters; at most ${limits.inputLengthMax}`);
      }
      calls += 1;
      if (calls > limits.callsMax) throw new RangeError(`no more than ${limits.callsMax} tool calls may be made`);
      const number = calls;
      const begin = () => {
        underWay += 1;
        pending.set(number, { resolve, reject, failure });
        send('call', number, name, json);
      };
      if (underWay < limits.callsAtOnceMax) begin();
      else waiting.push(begin);
    });
  }

  /** @param {unknown[]} values */
  function print(...values) {
    if (consoleLength >= limits.consoleLengthMax) return;
    const line = cut(values.map(asText).join(' '), limits.consoleLengthMax - consoleLength);
    consoleLength += line.length + 1;
    send('console', 0, line, '');
    if (consoleLength >= limits.consoleLengthMax) send('console', 0, '[further output was dropped]', '');
  }

  /** A pause. It is time of the program, and one of its calls: no tool's name begins so. @param {number} ms */
  function sleep(ms) {
    return call('#sleep', Number(ms) || 0);
  }

  /** Puts a function where its dotted name says. Names that others begin with come first. @param {string} name */
  function grant(name) {
    const parts = name.split('.');
    const last = /** @type {string} */ (parts.pop());
    let at = scope;
    for (const part of parts) {
      if (!hasOwn(at, part)) defineProperty(at, part, { value: {}, enumerable: true });
      at = at[part];
    }
    const value = (/** @type {unknown} */ input) => call(name, input);
    defineProperty(at, last, { value, enumerable: true, configurable: true });
  }

  return {
    /** @param {string} settings */
    prepare(settings) {
      const { granted, ...rest } = parse(settings);
      limits = rest;
      scope.console = { log: print, info: print, warn: print, error: print, debug: print };
      scope.sleep = sleep;
      scope.setTimeout = (/** @type {Function} */ then, /** @type {number} */ ms, /** @type {unknown[]} */ ...values) =>
        void sleep(ms).then(() => then(...values));
      for (const name of granted) grant(name);
    },
    /** @param {(exports: unknown) => Promise<unknown>} program @param {unknown} [exports] of its modules */
    async run(program, exports) {
      let kind = 'ok';
      let text;
      try {
        text = asText(await program(exports));
      } catch (error) {
        kind = 'threw';
        text = describe(error);
      }
      send(kind, 0, cut(`${text}`, limits.resultLengthMax), '');
    },
    /** @param {number} number @param {boolean} failed @param {boolean} json @param {string} text */
    answer(number, failed, json, text) {
      const asked = pending.get(number);
      if (asked === undefined) return;
      pending.delete(number);
      underWay -= 1;
      waiting.shift()?.();
      if (failed) {
        asked.failure.message = text;
        asked.reject(asked.failure);
      } else {
        asked.resolve(json ? parse(text) : text);
      }
    },
  };
}
