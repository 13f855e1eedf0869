import { DhaavakError } from '../../src/protocol/errors.ts';
import type { SessionType } from '../../src/protocol/messages.ts';

/** What a session key is made of. */
export interface SessionParts {
  agent: string;
  type: SessionType;
  channel: string;
  user: string;
}

const KEY_LENGTH_MAX = 256;
/** The agent that answers where none is named. */
export const DEFAULT_AGENT = 'main';

/**
 * The key of a session: `agent:<agent>:main`, or `agent:<agent>:<dm|group>:<channel>:<user>` with the user percent-encoded,
 * or of a sub-agent `agent:<agent>:sub:<id>`, so that a key is printable ASCII and its parts can't run into each other. (The form is OpenClaw's.) Throws
 * `invalid_request` where the user's name makes the key longer than 256 characters.
 */
export function sessionKey({ agent, type, channel, user }: SessionParts): string {
  if (type === 'main') return `agent:${agent}:main`;
  if (type === 'sub') return `agent:${agent}:sub:${user}`;
  const key = `agent:${agent}:${type}:${channel}:${encodeURIComponent(user)}`;
  if (key.length > KEY_LENGTH_MAX) {
    throw new DhaavakError('invalid_request', `data.user makes a session key of over ${KEY_LENGTH_MAX} characters`, {
      param: 'data.user',
    });
  }
  return key;
}

/** Of a sub-agent's session of which nothing but its key is known. */
const SUB_CHANNEL = 'sub';

/** The session of a message that names none. */
export const MAIN_SESSION = sessionKey({ agent: DEFAULT_AGENT, type: 'main', channel: '', user: '' });

/** The agent a key names; empty for a string that is no session key. */
export function agentOf(key: string): string {
  return parseSessionKey(key)?.agent ?? '';
}

/** The parts of a key, or undefined for a string that is no session key. */
export function parseSessionKey(key: string): SessionParts | undefined {
  const [prefix, agent, type, channel, user, ...rest] = key.split(':');
  if (prefix !== 'agent' || !agent || rest.length > 0) return undefined;
  if (type === 'main') return channel === undefined ? { agent, type, channel: 'api', user: 'owner' } : undefined;
  // Whose it is stands in its record.
  if (type === 'sub') {
    return channel && user === undefined ? { agent, type, channel: SUB_CHANNEL, user: channel } : undefined;
  }
  if ((type !== 'dm' && type !== 'group') || !channel || !user) return undefined;
  try {
    return { agent, type, channel, user: decodeURIComponent(user) };
  } catch {
    return undefined;
  }
}
