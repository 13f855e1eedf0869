/** What stands between a call and its tool: its risk, and the operator who must say yes to it. */
import type { ToolCall } from '../agent/provider.ts';
import type { Rating } from './risk.ts';
import type { CallerContext, Tool } from './tool.ts';

/** Facts an approval is bound to, and the length of each, in characters: an operator is to read them. */
const FACTS_MAX = 16;
const FACT_LENGTH_MAX = 256;

/** One call that is about to be made. */
interface Passing {
  tool: Tool;
  call: ToolCall;
  /** What the tool will be given. */
  input: unknown;
  rating: Rating;
}

/**
 * Why the call must not be made, for the model; undefined: it may be. An operator's yes is for this call only: for what it
 * was when they were asked, which is looked at again once they have answered. Throws what the tool's `binding` throws.
 */
export async function refusal(passing: Passing, context: CallerContext): Promise<string | undefined> {
  const { tool, call, input, rating } = passing;
  const { name } = tool;
  if (rating.risk === 'forbid') return `${name} may not be called like this: ${rating.rule} forbids it`;
  if (rating.risk === 'safe') return undefined;
  if (context.approve === undefined) return `${name} was not called: there is no operator to approve it`;
  const asked = JSON.stringify(input);
  const bound = await factsOf(passing, context);
  const verdict = await context.approve(call, context.signal, { rule: rating.rule, bound });
  if (!verdict.allowed) return `${name} was not called: ${verdict.reason}`;
  context.signal.throwIfAborted();
  const changed = JSON.stringify(input) === asked ? changedFact(bound, await factsOf(passing, context)) : 'its input';
  if (changed === undefined) return undefined;
  return `${name} was not called: ${changed} has changed since the call was approved. Look at it, and make the call again if it is still right`;
}

async function factsOf({ tool, input }: Passing, context: CallerContext): Promise<Record<string, string>> {
  const facts = (await tool.binding?.(input, context)) ?? {};
  const isShort = Object.entries(facts).every(([name, fact]) => name.length + fact.length <= FACT_LENGTH_MAX);
  if (isShort && Object.keys(facts).length <= FACTS_MAX) return facts;
  throw new Error(
    `${tool.name} was not called: it is bound to more than an operator can read, ${FACTS_MAX} facts of ${FACT_LENGTH_MAX} characters`,
  );
}

/** The first fact that is not what it was, was not there, or is there no more. */
function changedFact(before: Record<string, string>, now: Record<string, string>): string | undefined {
  return Object.keys({ ...before, ...now }).find((name) => before[name] !== now[name]);
}
