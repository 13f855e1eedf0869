/**
 * Which tools a session may call. Pure. The levels, in the order in which they are asked:
 *
 *     agents.<agent>.tools, .deny   what the agent has at all
 *     tools.allow, .deny            whoever calls
 *     tools.types.<type>            main, dm or group
 *     tools.channels.<channel>      the session's, and those of the messages that its run answers
 *     tools.senders.<channel:user>  the same
 *     tools.sandbox                 with `off`, what runs programs is for main sessions only
 *
 * A tool may be called when no level denies it and every level allows it. So a level can take away and never give: where
 * two disagree the answer is no, in whichever order they were written.
 */
import type { ToolsConfig } from '../config/tools.ts';
import type { RootType } from '../protocol/messages.ts';
import type { Tool, ToolCaller } from './tool.ts';

/** Stands before the name of a group. */
export const GROUP_PREFIX = 'group:';
const EVERY = '*';
/** What runs programs that somebody wrote, a model or a web page: what a sandbox is for. */
const SANDBOXED_GROUPS = ['group:exec', 'group:code', 'group:browser'];

/** What the configuration says of an agent's tools. */
export interface AgentTools {
  tools: readonly string[];
  approve: readonly string[];
  deny?: readonly string[];
  sandbox?: SandboxMode | undefined;
}

export type SandboxMode = ToolsConfig['sandbox'];

/** What the configuration says of tools, as far as the policy goes. */
export type PolicySettings = Pick<
  ToolsConfig,
  'allow' | 'deny' | 'types' | 'channels' | 'senders' | 'sandbox' | 'rules'
>;

const ALL = { allow: [EVERY], deny: [] };
/** Takes nothing away. Not the default of the configuration: that is its schema's, which shards need not load. */
export const NO_POLICY: PolicySettings = {
  ...ALL,
  types: { main: ALL, dm: ALL, group: ALL },
  channels: {},
  senders: {},
  sandbox: 'non-main',
  rules: [],
};
type Named = Pick<Tool, 'name' | 'group'>;

/** Whoever says something to a session: a channel and the platform's id of the person. */
export interface Speaker {
  channel: string;
  user: string;
}

/** Two lists, and the keys of the configuration where they stand. */
export interface Level {
  allow: readonly string[];
  allowKey: string;
  deny: readonly string[];
  denyKey: string;
}

export interface Decision {
  allowed: boolean;
  /** The key that decided, and what stands there: `tools.types.dm.deny: group:exec`. */
  rule: string;
}

/** The entry of a list that is, or stands for, the tool: `mcp.notes.*` for all whose names begin so. */
export function entryFor(list: readonly string[], { name, group }: Named): string | undefined {
  return list.find((entry) => {
    if (entry.endsWith('.*')) return name.startsWith(entry.slice(0, -1));
    return entry === EVERY || entry === name || entry === GROUP_PREFIX + group;
  });
}

/** Whether a session with these levels may call the tool, and which of them decided. */
export function decide(tool: Named, levels: readonly Level[]): Decision {
  for (const { deny, denyKey } of levels) {
    const entry = entryFor(deny, tool);
    if (entry !== undefined) return { allowed: false, rule: `${denyKey}: ${entry}` };
  }
  const outside = levels.find(({ allow }) => entryFor(allow, tool) === undefined);
  if (outside !== undefined) return { allowed: false, rule: `${outside.allowKey}: not in it` };
  const first = levels[0];
  return {
    allowed: first !== undefined,
    rule: first ? `${first.allowKey}: ${entryFor(first.allow, tool)}` : 'no level',
  };
}

/**
 * Whether the tools of a session of this type are to be kept in a sandbox. With `off` there is none, and a session that is
 * not main is still said to belong in one: it gets none of the tools that would need it.
 */
export function isSandboxed(mode: SandboxMode, type: RootType): boolean {
  return mode === 'always' || type !== 'main';
}

/** The levels of a configuration. The same ones are the same objects, for as long as it lives. */
export class Levels {
  readonly #everybody: Level;
  readonly #types: Record<RootType, Level>;
  readonly #channels: ReadonlyMap<string, Level>;
  readonly #senders: ReadonlyMap<string, Level>;
  readonly #agents = new WeakMap<AgentTools, Level>();
  readonly #sandbox: SandboxMode;
  readonly #withoutSandbox = new Map<string, Level>();

  constructor({ allow, deny, types, channels, senders, sandbox }: PolicySettings) {
    this.#everybody = levelAt('tools', { allow, deny });
    const { main, dm, group } = types;
    this.#types = {
      main: levelAt('tools.types.main', main),
      dm: levelAt('tools.types.dm', dm),
      group: levelAt('tools.types.group', group),
    };
    this.#channels = byName('tools.channels', channels);
    this.#senders = byName('tools.senders', senders);
    this.#sandbox = sandbox;
  }

  /** Those that have a say in what `caller` may do while it answers what `speakers` said. */
  of(
    agent: AgentTools,
    caller: Pick<ToolCaller, keyof Speaker | 'agent' | 'type'>,
    speakers: readonly Speaker[],
  ): Level[] {
    const levels = new Set([this.#agent(agent, caller.agent), this.#everybody, this.#types[caller.type]]);
    const all = [caller, ...speakers];
    if (this.#channels.size > 0) for (const { channel } of all) add(levels, this.#channels.get(channel));
    if (this.#senders.size > 0) {
      for (const name of all.flatMap(senderNames)) add(levels, this.#senders.get(name));
    }
    const { mode, key } = this.sandbox(agent, caller.agent);
    if (mode === 'off' && caller.type !== 'main') levels.add(this.#noSandbox(key));
    return [...levels];
  }

  /** The mode for sessions of an agent, and the key that says so. */
  sandbox({ sandbox }: AgentTools, agent: string): { mode: SandboxMode; key: string } {
    return sandbox === undefined
      ? { mode: this.#sandbox, key: 'tools.sandbox' }
      : { mode: sandbox, key: `agents.${agent}.sandbox` };
  }

  #agent(agent: AgentTools, id: string): Level {
    const known = this.#agents.get(agent);
    if (known !== undefined) return known;
    const level = {
      allow: agent.tools,
      allowKey: `agents.${id}.tools`,
      deny: agent.deny ?? [],
      denyKey: `agents.${id}.deny`,
    };
    this.#agents.set(agent, level);
    return level;
  }

  #noSandbox(key: string): Level {
    const level = this.#withoutSandbox.get(key) ?? {
      allow: [EVERY],
      allowKey: key,
      deny: SANDBOXED_GROUPS,
      denyKey: `${key} (off, and the session is not main)`,
    };
    this.#withoutSandbox.set(key, level);
    return level;
  }
}

/**
 * The names a sender may have in the configuration. A session's user is `[<account>@]<chat>[/<thread>]`: it is found by its
 * chat alone too, so that another account or thread is no way round. (More names can only take more away.)
 */
function senderNames({ channel, user }: Speaker): string[] {
  const names = [user, user.replace(/^[a-z][a-z0-9-]*@/, '')];
  const chats = names.map((name) => name.replace(/\/[^/]*$/, ''));
  return [...names, ...chats].map((name) => `${channel}:${name}`);
}

function levelAt(key: string, lists: { allow: readonly string[]; deny: readonly string[] }): Level {
  return { ...lists, allowKey: `${key}.allow`, denyKey: `${key}.deny` };
}

function byName(key: string, levels: ToolsConfig['channels']): Map<string, Level> {
  return new Map(Object.entries(levels).map(([name, lists]) => [name, levelAt(`${key}.${name}`, lists)]));
}

function add<T>(set: Set<T>, value: T | undefined): void {
  if (value !== undefined) set.add(value);
}
