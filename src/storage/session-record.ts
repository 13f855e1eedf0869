import type { Session, SessionType } from '../protocol/messages.ts';

/** The record of a session whose own is lost or damaged, as far as its key says: without one its transcript is not found. */
export function sessionOfKey(key: string): Session {
  const [, agent = '', type, channel = 'api', user = 'owner'] = key.split(':');
  const now = Date.now();
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
