/** What a sub-agent may do: what its own agent may, and no more than those above it. */
import type { Config } from '../../src/config/schema.ts';
import type { RootType, Session } from '../../src/protocol/messages.ts';
import { TIMER_MS_MAX } from '../../src/runtime/clock.ts';
import { RuntimeError } from '../../src/runtime/errors.ts';
import type { ToolRegistry, ToolView } from '../../src/tools/registry.ts';
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

/** The tools of a session: its agent's; a sub-agent's are those that every agent above it has too. */
export function toolsOf(
  registry: Pick<ToolRegistry, 'view'>,
  agents: Config['agents'],
  { id, spawned }: Pick<Session, 'id' | 'spawned'>,
  caller: ToolCaller,
): ToolView {
  const own = agents[caller.agent] as Agent;
  if (!isSubAgent(id)) return registry.view(own, caller);
  const above = new Set(spawned?.agents ?? [UNKNOWN]);
  above.delete(caller.agent);
  if (above.size === 0) return registry.view(own, caller);
  const names = (agent: string): string[] => {
    const settings = Object.hasOwn(agents, agent) ? (agents[agent] as Agent) : undefined;
    return settings ? registry.view(settings, { ...caller, agent }).descriptions.map(({ name }) => name) : [];
  };
  const tools = [...above].reduce((left, agent) => {
    const theirs = new Set(names(agent));
    return left.filter((name) => theirs.has(name));
  }, names(caller.agent));
  const approve = [...above].flatMap((agent) => agents[agent]?.approve ?? []);
  return registry.view({ ...own, tools, approve: [...own.approve, ...approve] }, caller);
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
