/** The tools there are, and the part of them one session may call. */
import { z } from 'zod';
import type { ToolCall, ToolDescription } from '../agent/provider.ts';
import type { Config } from '../config/schema.ts';
import type { DhaavakError } from '../protocol/errors.ts';
import { refusal } from './gate.ts';
import { wrongToolNames } from './names.ts';
import { addressesFound, FOUND_MAX } from './outside.ts';
import {
  type AgentTools,
  decide,
  type Level,
  Levels,
  NO_POLICY,
  type PolicySettings,
  type SandboxMode,
  type Speaker,
} from './policy.ts';
import { rate, ratingOfAll } from './risk.ts';
import type {
  CallContext,
  OtherTool,
  Tool,
  ToolCaller,
  ToolContext,
  ToolRisk,
  ToolSource,
  TypedResult,
} from './tool.ts';
import { framed, isFramed, UntrustedError, UntrustedResult } from './untrusted.ts';

/** Longest result a model is given, in UTF-16 code units: about 8,000 tokens, sent again with every later turn. */
export const OUTPUT_LENGTH_MAX = 32_768;
/** Longest name, in characters; OpenAI's limit. */
const NAME_LENGTH_MAX = 64;
const NAME = /^[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*$/;
const GROUP = /^[a-z][a-z0-9-]{0,31}$/;
/** Outcomes of the policy that are remembered; more are made again. */
const OUTCOMES_MAX = 1_000;

export interface ToolResult {
  output: string;
  failed: boolean;
  /** True: the output came from outside, and is framed as that. */
  untrusted?: true;
}

/** What the agent loop sees of the tools. */
export interface ToolView {
  /** The same array for the same tools: providers cache by it. */
  readonly descriptions: readonly ToolDescription[];
  /** Whether making the call a second time does no harm. False for a tool that is not here. */
  isSafeToRepeat(call: ToolCall): boolean;
  /** Never throws: whatever goes wrong is a failed result that tells the model what to do instead. */
  execute(call: ToolCall, context: CallContext): Promise<ToolResult>;
}

/** What the policy comes to for one tool and one session. */
export interface ToolAccess {
  name: string;
  group: string;
  allowed: boolean;
  /** What decided that, as a key of the configuration and what stands there. */
  rule: string;
  /** Of a call that no rule with a pattern speaks of, and what decided that. */
  risk: ToolRisk;
  riskRule: string;
  /** Whether other calls of it have another risk. */
  varies: boolean;
}

/** The tools that are left by an outcome of the policy. */
interface Allowed {
  descriptions: readonly ToolDescription[];
  tools: ReadonlyMap<string, Tool>;
  /** Those of them that a tool which calls others may call. */
  others: ReadonlyMap<string, Tool>;
}

export class ToolRegistry {
  readonly #settings: PolicySettings;
  readonly #levels: Levels;
  readonly #tools = new Map<string, Tool>();
  readonly #descriptions = new Map<string, ToolDescription>();
  readonly #sources: ToolSource[] = [];
  /** By the agent's settings, which live as long as the configuration, then by the levels that have a say. */
  #byLevels = new WeakMap<AgentTools, Map<string, Allowed>>();
  /** Weak: each run of a sub-agent has a level of its own. */
  readonly #levelIds = new WeakMap<Level, number>();
  #levelsSeen = 0;
  /** By the names of the tools. */
  readonly #outcomes = new Map<string, Allowed>();

  /** `settings` are left out in tests of single tools only: then an agent's tools are all there is to it. */
  constructor(tools: readonly Tool[], settings: PolicySettings = NO_POLICY) {
    this.#settings = settings;
    this.#levels = new Levels(settings);
    for (const tool of tools) this.register(tool);
  }

  /** Throws for a name that is taken or that a model API would refuse. */
  register(tool: Tool): void {
    const { name, group } = tool;
    if (!NAME.test(name) || name.length > NAME_LENGTH_MAX) {
      throw new Error(`"${name}" is not a tool name: use lower-case words joined by dots, at most ${NAME_LENGTH_MAX}`);
    }
    if (!GROUP.test(group)) throw new Error(`"${group}" is not a group of tools: use a lower-case word`);
    if (this.#tools.has(name)) throw new Error(`a tool named "${name}" is registered already`);
    this.#tools.set(name, tool);
    this.#forgetOutcomes();
  }

  /** Views that were made before keep the tool: a run that was told of it may call it, and hear that it is gone. */
  unregister(name: string): void {
    this.#tools.delete(name);
    this.#descriptions.delete(name);
    this.#forgetOutcomes();
  }

  /** Lets the configuration name tools that come later. */
  addSource(source: ToolSource): void {
    this.#sources.push(source);
  }

  /** Throws `invalid_request` for the first name in the configuration that is no tool's, with the nearest one that is. */
  check(config: Pick<Config, 'tools' | 'agents' | 'channels'>): void {
    for (const wrong of this.wrongNames(config)) throw wrong;
  }

  /** What {@link check} would throw, for each such name. */
  wrongNames(config: Pick<Config, 'tools' | 'agents' | 'channels'>): Iterable<DhaavakError> {
    return wrongToolNames(config, [...this.#tools.values()], this.#sources);
  }

  /** The tools for the calls of one session, while it answers what `speakers` said. The model hears of no others. */
  view(agent: AgentTools, caller: ToolCaller, speakers: readonly Speaker[] = []): ToolView {
    const { descriptions, tools, others } = this.#allowed(agent, caller, speakers);
    const run = async (
      of: ReadonlyMap<string, Tool>,
      call: ToolCall,
      context: CallContext,
      taintedBefore: () => boolean,
    ): Promise<TypedResult> => {
      if (!of.has(call.name)) return failure(this.#absence(call.name, of));
      let untrusted = false;
      const isTainted = () => untrusted || taintedBefore();
      const found = new Set<string>();
      const result = await execute(of, this.#settings, agent, call, {
        ...context,
        caller,
        call: call.id,
        get tainted() {
          return isTainted();
        },
        others: [...others.keys()],
        async callTool(inner, innerContext) {
          context.watch?.started(inner, call.id);
          const made = await run(others, inner, { ...innerContext, found }, isTainted);
          context.watch?.ended(inner, call.id, made);
          // A tool may frame a part of what it tells: a program could take the frame away.
          if (made.untrusted || isFramed(made.output)) untrusted = true;
          for (const address of made.failed ? [] : addressesFound(inner.name, made.output)) {
            if (found.size < FOUND_MAX) found.add(address);
          }
          return made;
        },
      });
      return untrusted ? { ...result, untrusted } : result;
    };
    return {
      descriptions,
      isSafeToRepeat: ({ name }) => tools.get(name)?.safeToRepeat === true,
      async execute(call, context) {
        const { output, failed, untrusted } = await run(tools, call, context, () => caller.tainted);
        return untrusted ? { output: framed(output, call.name), failed, untrusted } : { output, failed };
      },
    };
  }

  /** The sandbox mode for the sessions of an agent, and the key that says so. */
  sandbox(agent: AgentTools, id: string): { mode: SandboxMode; key: string } {
    return this.#levels.sandbox(agent, id);
  }

  /** Ends what the tools keep for a session that is deleted. Rejects with what one of them throws, when all have tried. */
  async endSession(session: string): Promise<void> {
    const ended = await Promise.allSettled([...this.#tools.values()].map((tool) => tool.sessionEnded?.(session)));
    const failed = ended.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  /** Ends what the tools keep for any session. To be called when no run is going on. */
  async close(): Promise<void> {
    await Promise.all([...this.#tools.values()].map((tool) => tool.close?.()));
  }

  /** What {@link view} comes to, tool by tool, and why. */
  explain(
    agent: AgentTools,
    caller: Pick<ToolCaller, 'agent' | 'type' | 'channel' | 'user'>,
    speakers: readonly Speaker[] = [],
  ): ToolAccess[] {
    const levels = this.#levels.of(agent, caller, speakers);
    return [...this.#tools.values()].map((tool) => {
      const { risk, rule: riskRule, varies } = ratingOfAll(tool, caller.agent, this.#settings.rules, agent);
      const { name, group } = tool;
      const decision = decide(tool, levels);
      const { unavailable } = tool;
      if (decision.allowed && unavailable !== undefined) {
        return { name, group, allowed: false, rule: unavailable, risk, riskRule, varies };
      }
      const isForbidden = decision.allowed && risk === 'forbid' && !varies;
      return { name, group, ...(isForbidden ? { allowed: false, rule: riskRule } : decision), risk, riskRule, varies };
    });
  }

  #allowed(agent: AgentTools, caller: ToolCaller, speakers: readonly Speaker[]): Allowed {
    const byLevels = this.#byLevels.get(agent) ?? new Map<string, Allowed>();
    this.#byLevels.set(agent, byLevels);
    const key = this.#levels
      .of(agent, caller, speakers)
      .map((level) => this.#idOf(level))
      .join();
    const known = byLevels.get(key);
    if (known !== undefined) return known;
    const allowed = this.#outcome(this.explain(agent, caller, speakers));
    if (byLevels.size >= OUTCOMES_MAX) byLevels.clear();
    byLevels.set(key, allowed);
    return allowed;
  }

  #outcome(accesses: readonly ToolAccess[]): Allowed {
    const names = accesses.filter(({ allowed }) => allowed).map(({ name }) => name);
    const key = names.join();
    const known = this.#outcomes.get(key);
    if (known !== undefined) return known;
    const tools = new Map(names.map((name) => [name, this.#tools.get(name)!]));
    const outcome = { descriptions: this.#composed(tools), tools, others: simple(tools) };
    if (this.#outcomes.size >= OUTCOMES_MAX) this.#outcomes.clear();
    this.#outcomes.set(key, outcome);
    return outcome;
  }

  /** The descriptions of `tools`, in which those that call others become what they are over these. */
  #composed(tools: Map<string, Tool>): ToolDescription[] {
    const others: OtherTool[] = [...tools.values()]
      .filter(({ over }) => over === undefined)
      .map((tool) => ({ ...this.#descriptionOf(tool), safeToRepeat: tool.safeToRepeat, returns: tool.returns }));
    const instead = new Set<string>();
    const descriptions = new Map([...tools].map(([name, tool]) => [name, this.#descriptionOf(tool)]));
    for (const [name, tool] of tools) {
      if (tool.over === undefined) continue;
      const { description, safeToRepeat, ...made } = tool.over(others);
      tools.set(name, { ...tool, description, safeToRepeat });
      descriptions.set(name, { ...descriptions.get(name)!, description });
      if (made.instead) for (const other of others) instead.add(other.name);
    }
    return [...descriptions.values()].filter(({ name }) => !instead.has(name));
  }

  /** Made with the first session that has the tool: a start should not pay for what nobody asks for. */
  #descriptionOf({ name, description, input, inputSchema }: Tool): ToolDescription {
    const known = this.#descriptions.get(name);
    if (known !== undefined) return known;
    const made = { name, description, inputSchema: inputSchema ?? schemaOf(input) };
    this.#descriptions.set(name, made);
    return made;
  }

  #forgetOutcomes(): void {
    this.#byLevels = new WeakMap();
    this.#outcomes.clear();
  }

  /** What a model is told that calls a tool it has not got. */
  #absence(name: string, tools: ReadonlyMap<string, Tool>): string {
    const source = this.#tools.has(name) ? undefined : this.#sources.find(({ prefix }) => name.startsWith(prefix));
    if (source === undefined)
      return `there is no tool "${name}"; the tools are: ${[...tools.keys()].join(', ') || 'none'}`;
    return `there is no tool "${name}" at the moment (${source.state(name)}): do without it, or try again in a later message`;
  }

  #idOf(level: Level): number {
    const known = this.#levelIds.get(level);
    if (known !== undefined) return known;
    this.#levelsSeen += 1;
    this.#levelIds.set(level, this.#levelsSeen);
    return this.#levelsSeen;
  }
}

/** As models are given it: JSON Schema without the word for its own version. */
function schemaOf(input: z.ZodType): Record<string, unknown> {
  const { $schema: _, ...schema } = z.toJSONSchema(input, { io: 'input' });
  return schema;
}

async function execute(
  tools: ReadonlyMap<string, Tool>,
  { rules }: PolicySettings,
  agent: AgentTools,
  call: ToolCall,
  context: ToolContext,
): Promise<TypedResult> {
  const tool = tools.get(call.name)!;
  try {
    const input = tool.input.safeParse(call.input);
    if (!input.success) return failure(`invalid input for ${tool.name}: ${explain(input.error)}`);
    context.signal.throwIfAborted();
    const own = tool.risk === 'forbid' ? 'forbid' : (tool.riskOf?.(input.data, context) ?? tool.risk);
    const rated = { tool, agent: context.caller.agent, input: input.data, given: call.input, own };
    const refused = await refusal({ tool, call, input: input.data, rating: rate(rated, rules, agent) }, context);
    if (refused !== undefined) return failure(refused);
    const returned = await tool.handler(input.data, context);
    const isMarked = returned instanceof UntrustedResult;
    const done = success(isMarked ? returned.value : returned);
    return tool.untrusted === true || isMarked ? { ...done, untrusted: true } : done;
  } catch (error) {
    const failed = failure(error instanceof Error ? error.message : String(error));
    return error instanceof UntrustedError ? { ...failed, untrusted: true } : failed;
  }
}

/** Without those that call others: none is called from within another. */
function simple(tools: ReadonlyMap<string, Tool>): ReadonlyMap<string, Tool> {
  return new Map([...tools].filter(([, { over }]) => over === undefined));
}

/** Of nothing and of what JSON can't express (a function), the model is told that it is nothing. */
function success(value: unknown): TypedResult {
  if (typeof value === 'string') return { output: bounded(value), failed: false };
  const text = JSON.stringify(value) ?? 'null';
  return { output: bounded(text), failed: false, json: text.length > OUTPUT_LENGTH_MAX ? 'cut' : 'whole' };
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

function bounded(text: string): string {
  if (text.length <= OUTPUT_LENGTH_MAX) return text;
  return `${text.slice(0, OUTPUT_LENGTH_MAX)}\n[${text.length - OUTPUT_LENGTH_MAX} more characters were cut]`;
}
