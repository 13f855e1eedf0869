/** What a session may do with tools, in words for an operator. */
import type { Config } from '../../src/config/schema.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { Replies } from '../../src/protocol/messages.ts';
import type { Store } from '../../src/storage/store.ts';
import { isSandboxed, type Speaker } from '../../src/tools/policy.ts';
import type { ToolRegistry } from '../../src/tools/registry.ts';
import { keptSession } from './record.ts';
import { DEFAULT_AGENT, parseSessionKey } from './session-key.ts';
import { accessesOf, policyType } from './sub-agent.ts';

/**
 * What the policy comes to for the session of this key, whether or not there is one yet; with `sender`, as `telegram:123`, while
 * it answers what they said. Throws `invalid_request` for what is no key or no sender.
 */
export function explainTools(
  { config, store, tools }: { config: Config; store: Store; tools: ToolRegistry },
  key: string,
  sender: string | undefined,
): Replies['session.tools'] {
  const parts = parseSessionKey(key);
  if (parts === undefined)
    throw new DhaavakError('invalid_request', `"${key}" is no session key`, { param: 'data.session' });
  const agent = Object.hasOwn(config.agents, parts.agent) ? parts.agent : DEFAULT_AGENT;
  const settings = config.agents[agent] as Config['agents'][string];
  const { mode, key: rule } = tools.sandbox(settings, agent);
  // Whose policy counts for a sub-agent stands in its record.
  const kept = parts.type === 'sub' ? keptSession(store, key) : undefined;
  const { channel, user } = kept ?? parts;
  const spawned = kept?.spawned;
  const session = { id: key, type: parts.type, ...(spawned !== undefined && { spawned }) };
  const type = policyType(session);
  const speakers = [...(spawned?.speakers ?? []), ...(sender === undefined ? [] : [sender])].map(speakerOf);
  return {
    session: key,
    agent,
    sandbox: { mode, sandboxed: isSandboxed(mode, type), rule },
    tools: accessesOf(tools, config.agents, session, { agent, type, channel, user }, speakers),
  };
}

/** Throws `invalid_request`. */
export function speakerOf(sender: string): Speaker {
  const [, channel, user] = /^([a-z][a-z0-9-]*):(.+)$/.exec(sender) ?? [];
  if (channel !== undefined && user !== undefined) return { channel, user };
  throw new DhaavakError('invalid_request', 'data.sender must be such as telegram:123', { param: 'data.sender' });
}
