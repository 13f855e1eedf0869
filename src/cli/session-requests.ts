import type { Client } from '../client/client.ts';
import type { RequestData, Session } from '../protocol/messages.ts';
import { firstOf } from './limit.ts';

/** Which sessions to list. */
export type SessionFilter = Pick<RequestData<'session.list'>, 'agent' | 'type' | 'channel'>;

/** Sessions in the gateway's order, page by page. */
export async function* eachSession(client: Client, filter: SessionFilter): AsyncGenerator<Session> {
  for (let cursor: string | undefined; ; ) {
    const page = await client.request('session.list', { ...filter, ...(cursor === undefined ? {} : { cursor }) });
    yield* page.sessions;
    cursor = page.cursor;
    if (cursor === undefined) return;
  }
}

/** The first `limit` of them. */
export function listSessions(client: Client, filter: SessionFilter, limit: number): Promise<Session[]> {
  return firstOf(eachSession(client, filter), limit);
}
