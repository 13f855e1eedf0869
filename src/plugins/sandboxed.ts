/** Tools of plugins that are not trusted: each call is a program in an isolate of its own, which ends with the call. */
import type { CallOutcome, Result, Task } from '../tools/sandbox/execution.ts';
import type { Cut, GuestLimits } from '../tools/sandbox/messages.ts';
import type { ToolContext } from '../tools/tool.ts';
import { type CapabilityContext, callToolFor, fetchFor } from './capabilities.ts';
import type { SandboxedModules } from './offer.ts';

/** Of the input of a call, as JSON in characters: it goes to the sandbox within the program. */
const INPUT_LENGTH_MAX = 65_536;
/** Within what a model is given of a tool's result. */
const RESULT_LENGTH_MAX = 32_000;
const CONSOLE_LENGTH_MAX = 4_000;
const CALLS_AT_ONCE_MAX = 8;
/** All that is there for it, beside the language. */
const GRANTED = ['dhaavak.fetch', 'dhaavak.callTool'];

/** What runs beside the plugin's modules. It is in the same isolate, and so protects nothing: the calls are checked out here. */
const GLUE = `
const call = plugin[tool];
if (typeof call !== 'function') throw new TypeError('its module exports no function ' + tool);
const value = await call(input, {
  settings,
  env,
  fetch: (url, options) => dhaavak.fetch({ ...options, url: String(url) }),
  callTool: (name, input) => dhaavak.callTool({ name, input }),
  log: console.log,
});
return typeof value === 'string' ? 't' + value : 'j' + (JSON.stringify(value) ?? 'null');`;

export interface SandboxedCall {
  tool: string;
  code: SandboxedModules;
  input: unknown;
  limits: Pick<GuestLimits, 'timeoutMs' | 'cpuMs' | 'callsMax'>;
}

export interface SandboxedOutcome {
  value: unknown;
  /** What it wrote for the operator. */
  log: string;
}

/** A tool of a plugin has failed, in the plugin's words. `log` is what an operator should see besides. */
export class PluginFailure extends Error {
  readonly log: string;

  constructor(message: string, log: string) {
    super(message);
    this.log = log;
  }
}

/** Makes one call. Throws a PluginFailure with what the plugin threw or was stopped for. */
export async function callSandboxed(
  { tool, code, input, limits }: SandboxedCall,
  capabilities: CapabilityContext,
  context: ToolContext,
  run: (task: Task) => Promise<Result>,
): Promise<SandboxedOutcome> {
  const { settings, env } = capabilities.grants;
  const given = JSON.stringify({ tool, input, settings, env });
  if (given.length > INPUT_LENGTH_MAX) {
    throw new PluginFailure(
      `the input is too long: with the plugin's settings at most ${INPUT_LENGTH_MAX} characters`,
      '',
    );
  }
  const { ending, console } = await run({
    program: {
      source: `const { tool, input, settings, env } = JSON.parse(${JSON.stringify(given)});${GLUE}`,
      modules: code,
      granted: GRANTED,
      limits: {
        ...limits,
        callsAtOnceMax: CALLS_AT_ONCE_MAX,
        inputLengthMax: 2 * INPUT_LENGTH_MAX,
        consoleLengthMax: CONSOLE_LENGTH_MAX,
        resultLengthMax: RESULT_LENGTH_MAX,
      },
    },
    signal: context.signal,
    call: (name, made, number, ended) => answered(capabilities, context, name, made, number, ended),
  });
  if (ending.status === 'ok') return { value: readValue(ending.text), log: console };
  if (ending.status === 'cut') throw new PluginFailure(`it was stopped: ${cutReason(ending.cut, limits)}`, console);
  // Where it was thrown is of use to an operator only.
  throw new PluginFailure(ending.text.replace(/\n {4}at [\s\S]*$/, ''), `${console}${ending.text}`);
}

/** A call of the guest. Never rejects. */
async function answered(
  capabilities: CapabilityContext,
  context: ToolContext,
  name: string,
  input: unknown,
  number: number,
  ended: AbortSignal,
): Promise<CallOutcome> {
  const signal = AbortSignal.any([context.signal, ended]);
  try {
    const value =
      name === 'dhaavak.fetch'
        ? await fetchFor(capabilities, input, signal)
        : await callToolFor(capabilities, context, { name: undefined, input: {}, ...Object(input), number }, signal);
    return { text: JSON.stringify(value) ?? 'null', json: true, failed: false };
  } catch (error) {
    return { text: error instanceof Error ? error.message : String(error), json: false, failed: true };
  }
}

/** A text as it is, or a value from its JSON; where that was cut, the beginning of it. */
function readValue(text: string): unknown {
  const rest = text.slice(1);
  if (!text.startsWith('j')) return rest;
  try {
    return JSON.parse(rest);
  } catch {
    return rest;
  }
}

/** Why a program of a plugin was stopped. */
export function cutReason(cut: Cut, limits: SandboxedCall['limits']): string {
  return CUTS[cut](limits);
}

const CUTS: Record<Cut, (limits: SandboxedCall['limits']) => string> = {
  time: ({ timeoutMs }) => `it took longer than ${timeoutMs} ms, not counting what it waited for`,
  cpu: ({ cpuMs }) => `it used more than ${cpuMs} ms of processor time`,
  memory: () => 'it used too much memory',
  stuck: ({ callsMax }) => `it flooded its host; at most ${callsMax} calls may be made`,
  hung: () => 'it waits for something that will never come',
  cancelled: () => 'the run that it belongs to was',
};
