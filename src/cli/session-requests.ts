import type { Client } from '../client/client.ts';
import type { RequestData, Session } from '../protocol/messages.ts';

/** Which sessions to list. */
export type SessionFilter = Pick<RequestData<'session.list'>, 'agent' | 'type' | 'channel'>;

/** Sessions in the gateway's order, page by page, at most `limit`. */
export async function listSessions(client: Client, filter: SessionFilter, limit: number): Promise<Session[]> {
  const sessions: Session[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await client.request('session.list', { ...filter, ...(cursor === undefined ? {} : { cursor }) });
    sessions.push(...page.sessions);
    cursor = page.cursor;
    if (cursor === undefined || sessions.length >= limit) return sessions.slice(0, limit);
  }
}
