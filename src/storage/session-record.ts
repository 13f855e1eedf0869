import type { Session, SessionType } from '../protocol/messages.ts';

/**
 * The record of a session as far as its key says, created at `now` (milliseconds since the epoch): of one that is new, or
 * whose own is lost or damaged, since without one its transcript is not found.
 */
export function sessionOfKey(key: string, now: number): Session {
  const [, agent = '', type, ...place] = key.split(':');
  const [channel = 'api', user = 'owner'] = type === 'sub' ? ['sub', ...place] : place;
  return {
    id: key,
    agent,
    type: type as SessionType,
    channel,
    user: decoded(user),
    title: null,
    model: null,
    thinkingLevel: 'off',
    followUp: null,
    tokensUsed: 0,
    costUsed: 0,
    createdAt: now,
    lastActive: now,
  };
}

function decoded(user: string): string {
  try {
    return decodeURIComponent(user);
  } catch {
    return user;
  }
}
