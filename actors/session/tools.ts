/** What a session may do with tools, in words for an operator. */
import type { Config } from '../../src/config/schema.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { Replies } from '../../src/protocol/messages.ts';
import { isSandboxed, type Speaker } from '../../src/tools/policy.ts';
import type { ToolRegistry } from '../../src/tools/registry.ts';
import { DEFAULT_AGENT, parseSessionKey } from './session-key.ts';

/**
 * What the policy comes to for the session of this key, whether or not there is one yet; with `sender`, as `telegram:123`, while
 * it answers what they said. Throws `invalid_request` for what is no key or no sender.
 */
export function explainTools(
  { config, tools }: { config: Config; tools: ToolRegistry },
  key: string,
  sender: string | undefined,
): Replies['session.tools'] {
  const parts = parseSessionKey(key);
  if (parts === undefined)
    throw new DhaavakError('invalid_request', `"${key}" is no session key`, { param: 'data.session' });
  const agent = Object.hasOwn(config.agents, parts.agent) ? parts.agent : DEFAULT_AGENT;
  const settings = config.agents[agent] as Config['agents'][string];
  const { mode, key: rule } = tools.sandbox(settings, agent);
  return {
    session: key,
    agent,
    sandbox: { mode, sandboxed: isSandboxed(mode, parts.type), rule },
    tools: tools.explain(settings, { ...parts, agent }, sender === undefined ? [] : [speakerOf(sender)]),
  };
}

function speakerOf(sender: string): Speaker {
  const [, channel, user] = /^([a-z][a-z0-9-]*):(.+)$/.exec(sender) ?? [];
  if (channel !== undefined && user !== undefined) return { channel, user };
  throw new DhaavakError('invalid_request', 'data.sender must be such as telegram:123', { param: 'data.sender' });
}
