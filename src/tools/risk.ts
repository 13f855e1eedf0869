/** Whether one call is made at once, with an operator's approval, or not at all. Pure. */
import type { ToolRule } from '../config/tools.ts';
import { matches, textOf } from './pattern.ts';
import { type AgentTools, entryFor } from './policy.ts';
import type { Tool, ToolRisk } from './tool.ts';

const ORDER = { safe: 0, ask: 1, forbid: 2 } as const satisfies Record<ToolRisk, number>;

/** One call as rules see it. */
export interface RatedCall {
  tool: Pick<Tool, 'name' | 'group'>;
  agent: string;
  /** As the tool is given it, and as the model wrote it: its fields are those the model chose. */
  input: unknown;
  given: unknown;
  /** What the tool says of it. */
  own: ToolRisk;
}

export interface Rating {
  risk: ToolRisk;
  /** What decided: `tools.rules.2`, `agents.main.approve: calc`, or `the tool itself`. */
  rule: string;
}

/**
 * The first rule that speaks of the call decides, and without one the tool. Two things no rule can lower: what the tool
 * forbids, and that its agent's `approve` asks.
 */
export function rate(call: RatedCall, rules: readonly ToolRule[], { approve }: Pick<AgentTools, 'approve'>): Rating {
  if (call.own === 'forbid') return { risk: 'forbid', rule: 'the tool itself' };
  const index = rules.findIndex((rule) => speaksOf(rule, call));
  const rule = rules[index];
  const rating: Rating = rule
    ? { risk: rule.risk, rule: `tools.rules.${index}` }
    : { risk: call.own, rule: 'the tool itself' };
  const entry = entryFor(approve, call.tool);
  if (entry === undefined || ORDER[rating.risk] >= ORDER.ask) return rating;
  return { risk: 'ask', rule: `agents.${call.agent}.approve: ${entry}` };
}

/** What holds for every call of a tool, where something does: that no rule before it looks at the input. */
export function ratingOfAll(
  tool: Pick<Tool, 'name' | 'group' | 'risk' | 'riskOf'>,
  agent: string,
  rules: readonly ToolRule[],
  settings: Pick<AgentTools, 'approve'>,
): Rating & { varies: boolean } {
  const about = rules.filter((rule) => isAbout(rule, tool, agent));
  const general = about.findIndex(({ input }) => input === undefined);
  const varies = general !== 0 && (about.length > 0 || tool.riskOf !== undefined);
  const withoutPatterns = rules.map((rule) => (rule.input === undefined ? rule : { ...rule, tools: [] }));
  const call: RatedCall = { tool, agent, input: undefined, given: undefined, own: tool.risk };
  return { ...rate(call, withoutPatterns, settings), varies: varies && tool.risk !== 'forbid' };
}

function isAbout({ tools, agents }: ToolRule, tool: Pick<Tool, 'name' | 'group'>, agent: string): boolean {
  return entryFor(tools, tool) !== undefined && (agents === undefined || agents.includes(agent));
}

/**
 * A rule that says `safe` must have a pattern for every field the model gave: one that looks at the command alone would let
 * any environment through with it. A field that is not there is compared as an empty text.
 */
function speaksOf(rule: ToolRule, { tool, agent, input, given }: RatedCall): boolean {
  if (!isAbout(rule, tool, agent)) return false;
  const { input: patterns, risk } = rule;
  if (patterns === undefined) return true;
  if (typeof input !== 'object' || input === null) return false;
  const cautious = risk === 'safe';
  const fields = new Map<string, unknown>(Object.entries(input));
  const isWhole = Object.keys(given ?? {}).every((field) => Object.hasOwn(patterns, field));
  if (cautious && !isWhole) return false;
  return Object.entries(patterns).every(([field, pattern]) => {
    const value = fields.get(field);
    return matches(pattern, value === undefined ? '' : textOf(value), { cautious });
  });
}
