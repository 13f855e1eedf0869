import type { Replies, RequestData, Session } from '../../src/protocol/messages.ts';
import type { Store } from '../../src/storage/store.ts';
import { keptSession } from './record.ts';
import { parseSessionKey } from './session-key.ts';

/** Sessions in a page, where the client names no limit. */
const PAGE = 50;
/** Keys looked at for one page: some 5 ms of a shard's time. */
const KEYS_MAX = 5_000;

/**
 * One page of the sessions on the disk, in the order of their keys; of all shards, since they share one store. What is
 * asked for stands in the key, so that only the sessions of the page are read. Every page but the last has a cursor, and
 * one of a rare kind may be short or empty for all that: it is as far as one look reaches.
 */
export function listSessions(store: Store, query: RequestData<'session.list'>): Replies['session.list'] {
  const { limit = PAGE, cursor } = query;
  const prefix = query.agent === undefined ? 'agent:' : `agent:${query.agent}:`;
  // The key after the cursor is the cursor with the lowest character behind it.
  const start = cursor === undefined || cursor < prefix ? prefix : `${cursor}\x01`;
  const sessions: Session[] = [];
  let seen = 0;
  for (const key of store.sessions.getKeys({ start, end: `${prefix}\x7f` })) {
    seen += 1;
    const session = matches(key, query) ? keptSession(store, key) : undefined;
    if (session !== undefined) sessions.push(session);
    if (sessions.length === limit || seen === KEYS_MAX) return { sessions, cursor: key };
  }
  return { sessions };
}

function matches(key: string, { agent, type, channel }: RequestData<'session.list'>): boolean {
  const parts = parseSessionKey(key);
  if (parts === undefined) return false;
  return (
    (agent === undefined || parts.agent === agent) &&
    (type === undefined || parts.type === type) &&
    (channel === undefined || parts.channel === channel)
  );
}
