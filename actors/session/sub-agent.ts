/** What a sub-agent may do: what its own agent may, and no more than those above it. */
import type { Config } from '../../src/config/schema.ts';
import type { RootType, Session } from '../../src/protocol/messages.ts';
import { TIMER_MS_MAX } from '../../src/runtime/clock.ts';
import { RuntimeError } from '../../src/runtime/errors.ts';
import type { Speaker } from '../../src/tools/policy.ts';
import type { ToolAccess, ToolRegistry, ToolView } from '../../src/tools/registry.ts';
import type { ToolCaller } from '../../src/tools/tool.ts';
import { isSubAgent } from './kin.ts';

/** Stands for an agent nobody knows: it has no tools. */
const UNKNOWN = '';

type Agent = Config['agents'][string];

/**
 * Whose policy counts: the type of the session at the top. Of a sub-agent of which that is not known, because its record
 * was damaged, the strictest.
 */
export function policyType({ type, spawned }: Pick<Session, 'type' | 'spawned'>): RootType {
  return spawned?.root ?? (type === 'sub' ? 'group' : type);
}

type Caller = Pick<ToolCaller, 'agent' | 'type' | 'channel' | 'user'>;

/** The tools of a session, while it answers what `speakers` said. */
export function toolsOf(
  registry: ToolRegistry,
  agents: Config['agents'],
  session: Pick<Session, 'id' | 'spawned'>,
  caller: ToolCaller,
  speakers: readonly Speaker[],
): ToolView {
  const own = agents[caller.agent] as Agent;
  const above = agentsAbove(session, caller);
  if (above.length === 0) return registry.view(own, caller, speakers);
  const accesses = accessesOf(registry, agents, session, caller, speakers);
  const tools = accesses.filter(({ allowed }) => allowed).map(({ name }) => name);
  // What an agent above has approved is approved here too.
  const asked = accesses.filter(({ risk }) => risk === 'ask').map(({ name }) => name);
  return registry.view({ ...own, tools, approve: [...own.approve, ...asked] }, caller, speakers);
}

/** What policy says of each tool: a sub-agent has no tool that its agent, or one above it, lacks. */
export function accessesOf(
  registry: ToolRegistry,
  agents: Config['agents'],
  session: Pick<Session, 'id' | 'spawned'>,
  caller: Caller,
  speakers: readonly Speaker[],
): ToolAccess[] {
  const explained = (agent: string): ToolAccess[] => {
    const settings = Object.hasOwn(agents, agent) ? (agents[agent] as Agent) : { tools: [], approve: [] };
    return registry.explain(settings, { ...caller, agent }, speakers);
  };
  return agentsAbove(session, caller).reduce((left, agent) => {
    const theirs = new Map(explained(agent).map((access) => [access.name, access]));
    return left.map((access) => stricter(access, theirs.get(access.name)));
  }, explained(caller.agent));
}

function stricter(own: ToolAccess, above: ToolAccess | undefined): ToolAccess {
  const denied = above?.allowed === true ? {} : { allowed: false, rule: above?.rule ?? 'nobody knows whose it is' };
  const asked = above?.risk === 'ask' && own.risk === 'safe' ? { risk: above.risk, riskRule: above.riskRule } : {};
  return { ...own, ...(own.allowed && denied), ...asked };
}

/** The agents above a sub-agent that are others than its own; of one whose record was damaged one that nobody knows. */
function agentsAbove({ id, spawned }: Pick<Session, 'id' | 'spawned'>, { agent }: Caller): string[] {
  if (!isSubAgent(id)) return [];
  return [...new Set(spawned?.agents ?? [UNKNOWN])].filter((above) => above !== agent);
}

/** Ends a run at `until`, in milliseconds since the epoch, with the reason a lane ends one with that is out of time. */
export class TimeLimit {
  readonly signal: AbortSignal;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(signal: AbortSignal, until: number | undefined, now: number) {
    this.signal = signal;
    if (until === undefined) return;
    const ended = new AbortController();
    const ms = Math.min(Math.max(0, until - now), TIMER_MS_MAX);
    this.#timer = setTimeout(() => ended.abort(outOfTime()), ms);
    this.signal = AbortSignal.any([signal, ended.signal]);
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }
}

export function outOfTime(): RuntimeError {
  return new RuntimeError('deadline', 'the time of this sub-agent was up');
}
