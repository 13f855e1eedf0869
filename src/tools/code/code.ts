import { z } from 'zod';
import type { CallOutcome, Result, Task } from '../sandbox/execution.ts';
import type { GuestLimits } from '../sandbox/messages.ts';
import { defineTool, type OtherTool, type Tool, type ToolContext, type TypedResult } from '../tool.ts';
import { report } from './report.ts';
import { signaturesOf } from './signatures.ts';

/** In UTF-16 code units. Longer than what a model writes in one answer (`models.outputTokensMax`). */
const SOURCE_LENGTH_MAX = 65_536;
/** Of the JSON of a call's input: a file that is written is the longest there is. */
const INPUT_LENGTH_MAX = 262_144;
/** Together with what else is said they fit into what a model is given of a tool's result. */
const CONSOLE_LENGTH_MAX = 10_000;
const RESULT_LENGTH_MAX = 20_000;
/** As many as a model makes at once without a program, and then some. */
const CALLS_AT_ONCE_MAX = 8;

export interface CodeSettings {
  /** Time of the program's own; its tool calls do not count. The run it is in has a limit for all. */
  timeoutMs: number;
  cpuMs: number;
  /** Tool calls of one program. */
  callsMax: number;
  /** The model is told of the other tools in the signatures only, and so calls them from programs only. */
  only: boolean;
}

const input = z.strictObject({
  source: z
    .string()
    .min(1)
    .max(SOURCE_LENGTH_MAX)
    .describe('JavaScript, the body of an async function: `await` at will, `return` the result.'),
});

/**
 * `code`: the model writes a program that calls the other tools. One request to the model then does what takes many
 * otherwise, and what the tools say is sifted before it is sent to the model.
 *
 * The program can do what the session may do and nothing else: each of its calls is one of the same view. It may be made
 * again after a crash only where all of these may be.
 */
export function codeTool(settings: CodeSettings, run: (task: Task) => Promise<Result>): Tool {
  const { timeoutMs, cpuMs, callsMax } = settings;
  const limits: GuestLimits = {
    timeoutMs,
    cpuMs,
    callsMax,
    callsAtOnceMax: CALLS_AT_ONCE_MAX,
    inputLengthMax: INPUT_LENGTH_MAX,
    consoleLengthMax: CONSOLE_LENGTH_MAX,
    resultLengthMax: RESULT_LENGTH_MAX,
  };
  return defineTool({
    name: 'code',
    group: 'code',
    description: describe([], callsMax),
    input,
    risk: 'safe',
    safeToRepeat: false,
    over: (others) => ({
      description: describe(others, callsMax),
      safeToRepeat: others.every(({ safeToRepeat }) => safeToRepeat),
      instead: settings.only,
    }),
    async handler({ source }, context) {
      const program = { source, granted: context.others, limits };
      const result = await run({
        program,
        signal: context.signal,
        call: async (name, inner, number, ended) => outcomeOf(name, await callOne(context, name, inner, number, ended)),
      });
      return report(result, limits);
    },
  });
}

/** One call of a program, numbered below the call of the program itself. */
function callOne(context: ToolContext, name: string, input: unknown, number: number, ended: AbortSignal) {
  const signal = AbortSignal.any([context.signal, ended]);
  return context.callTool({ id: `${context.call}.${number}`, name, input }, { ...context, signal });
}

function outcomeOf(name: string, { output, failed, json }: TypedResult): CallOutcome {
  if (json !== 'cut') return { text: output, json: json === 'whole', failed };
  // The beginning of some JSON is of no use to a program.
  return { text: `the result of ${name} is too long: ask for less of it`, json: false, failed: true };
}

function describe(others: readonly OtherTool[], callsMax: number): string {
  const about = `Runs a JavaScript program in a sandbox and returns its result and console output. Use it to combine several tool calls, to repeat a call, or to work on what calls return, instead of making the calls one by one. Only what you return or print comes back: pick out what you need.
The program has the language itself, console.log and sleep(ms), and no other API: no require, import, fetch or files of its own. A failed call throws an Error with the reason. At most ${callsMax} calls; independent ones go faster with Promise.all.`;
  if (others.length === 0) return about;
  return `${about}\nThe tools are these functions:\n${signaturesOf(others)}`;
}
