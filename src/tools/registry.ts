/** The tools there are, and the part of them one agent may call. */
import leven from 'leven';
import { z } from 'zod';
import type { ToolCall, ToolDescription } from '../agent/provider.ts';
import { DhaavakError } from '../protocol/errors.ts';
import type { CallContext, Tool, ToolCaller, ToolContext } from './tool.ts';

/** Longest result a model is given, in UTF-16 code units: about 8,000 tokens, sent again with every later turn. */
export const OUTPUT_LENGTH_MAX = 32_768;
/** Longest name, in characters; OpenAI's limit. */
const NAME_LENGTH_MAX = 64;
const NAME = /^[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*$/;
/** The configuration names a group with this before it. */
const GROUP_PREFIX = 'group:';
const GROUP = /^[a-z][a-z0-9-]{0,31}$/;
/** A name is suggested for a mistyped one up to this many edits away. */
const SUGGESTION_EDITS_MAX = 4;

export interface ToolResult {
  output: string;
  failed: boolean;
}

/** What the agent loop sees of the tools. */
export interface ToolView {
  /** The same array every time: providers cache by it. */
  readonly descriptions: readonly ToolDescription[];
  /** Whether making the call a second time does no harm. False for a tool that is not here. */
  isSafeToRepeat(call: ToolCall): boolean;
  /** Never throws: whatever goes wrong is a failed result that tells the model what to do instead. */
  execute(call: ToolCall, context: CallContext): Promise<ToolResult>;
}

/** What the configuration says of an agent's tools. */
export interface ToolSettings {
  tools: readonly string[];
  approve: readonly string[];
}

/** The tools an agent may call, whatever session calls them. */
interface AgentTools {
  descriptions: readonly ToolDescription[];
  tools: ReadonlyMap<string, Tool>;
  approve: ReadonlySet<string>;
}

export class ToolRegistry {
  readonly #tools = new Map<string, Tool>();
  readonly #descriptions = new Map<string, ToolDescription>();
  /** By the array of names: an agent's stands in the configuration and lives as long. */
  readonly #agents = new WeakMap<readonly string[], AgentTools>();

  constructor(tools: readonly Tool[]) {
    for (const tool of tools) this.register(tool);
  }

  /** Throws for a name that is taken or that a model API would refuse. */
  register(tool: Tool): void {
    const { name, group, description, input } = tool;
    if (!NAME.test(name) || name.length > NAME_LENGTH_MAX) {
      throw new Error(`"${name}" is not a tool name: use lower-case words joined by dots, at most ${NAME_LENGTH_MAX}`);
    }
    if (!GROUP.test(group)) throw new Error(`"${group}" is not a group of tools: use a lower-case word`);
    if (this.#tools.has(name)) throw new Error(`a tool named "${name}" is registered already`);
    this.#tools.set(name, tool);
    const { $schema: _, ...inputSchema } = z.toJSONSchema(input, { io: 'input' });
    this.#descriptions.set(name, { name, description, inputSchema });
  }

  /**
   * The tools of an agent, for the calls of one session; those in `approve` are called with an operator's approval only,
   * as those are whose risk is `ask`. Throws as {@link check} does.
   */
  view(agent: ToolSettings, caller: ToolCaller): ToolView {
    const { descriptions, tools, approve } = this.#toolsOf(agent);
    return {
      descriptions,
      isSafeToRepeat: ({ name }) => tools.get(name)?.safeToRepeat === true,
      execute: (call, context) => execute(tools, approve, call, { ...context, caller, call: call.id }),
    };
  }

  /** Throws `invalid_request` for a name that is no tool's, with the nearest one that is. */
  check(agent: ToolSettings): void {
    this.#toolsOf(agent);
  }

  #toolsOf({ tools: names, approve }: ToolSettings): AgentTools {
    const known = this.#agents.get(names);
    if (known !== undefined) return known;
    const tools = new Map(names.flatMap((name) => this.#named(name)).map((tool) => [tool.name, tool]));
    const descriptions = [...tools.keys()].map((name) => this.#descriptions.get(name)!);
    const agent = {
      descriptions,
      tools,
      approve: new Set(approve.flatMap((name) => this.#named(name)).map(({ name }) => name)),
    };
    this.#agents.set(names, agent);
    return agent;
  }

  /** The tool, or those of the group, that the configuration names. Throws `invalid_request`. */
  #named(name: string): readonly Tool[] {
    const tool = this.#tools.get(name);
    if (tool !== undefined) return [tool];
    const group = [...this.#tools.values()].filter((one) => `${GROUP_PREFIX}${one.group}` === name);
    if (group.length === 0) throw this.#unknown(name);
    return group;
  }

  #unknown(name: string): DhaavakError {
    const nearest = [...this.#tools.keys()].toSorted((a, b) => leven(a, name) - leven(b, name))[0];
    const hint =
      nearest !== undefined && leven(nearest, name) <= SUGGESTION_EDITS_MAX
        ? `did you mean "${nearest}"?`
        : `there are: ${[...this.#tools.keys()].join(', ')}`;
    return new DhaavakError('invalid_request', `there is no tool "${name}"; ${hint}`, { param: 'tools' });
  }
}

async function execute(
  tools: ReadonlyMap<string, Tool>,
  approve: ReadonlySet<string>,
  call: ToolCall,
  context: ToolContext,
): Promise<ToolResult> {
  const tool = tools.get(call.name);
  if (!tool)
    return failure(`there is no tool "${call.name}"; the tools are: ${[...tools.keys()].join(', ') || 'none'}`);
  try {
    const input = tool.input.safeParse(call.input);
    if (!input.success) return failure(`invalid input for ${tool.name}: ${explain(input.error)}`);
    context.signal.throwIfAborted();
    const risk = tool.risk === 'forbid' ? 'forbid' : (tool.riskOf?.(input.data, context) ?? tool.risk);
    if (risk === 'forbid') return failure(`${tool.name} may not be called`);
    if (risk === 'ask' || approve.has(tool.name)) {
      const verdict = await context.approve?.(call, context.signal);
      if (!verdict?.allowed) {
        return failure(`${tool.name} was not called: ${verdict?.reason ?? 'there is no operator to approve it'}`);
      }
    }
    return { output: bounded(asText(await tool.handler(input.data, context))), failed: false };
  } catch (error) {
    return failure(error instanceof Error ? error.message : String(error));
  }
}

function failure(text: string): ToolResult {
  return { output: bounded(text), failed: true };
}

/** `expression: Invalid input: expected string, received number` for each thing that is wrong. */
function explain(error: z.ZodError): string {
  return error.issues
    .map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message))
    .join('; ');
}

/** Of nothing and of what JSON can't express (a function), the model is told that it is nothing. */
function asText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'null');
}

function bounded(text: string): string {
  if (text.length <= OUTPUT_LENGTH_MAX) return text;
  return `${text.slice(0, OUTPUT_LENGTH_MAX)}\n[${text.length - OUTPUT_LENGTH_MAX} more characters were cut]`;
}
