import type { Client } from '../client/client.ts';
import type { Session } from '../protocol/messages.ts';

/** Which sessions to list. `limit` and `cursor`: one page of them. */
export interface SessionFilter {
  agent?: string;
  type?: string;
  channel?: string;
}

interface SessionPage {
  sessions: Session[];
  cursor?: string;
}

/** Requests for gateways that have them; an older one answers `unknown_type`. */
type Ask = <Reply>(type: string, data: object) => Promise<Reply>;

/** Sessions in the gateway's order, page by page, at most `limit`. */
export async function listSessions(client: Client, filter: SessionFilter, limit: number): Promise<Session[]> {
  const sessions: Session[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await ask(client)<SessionPage>('session.list', {
      ...filter,
      ...(cursor === undefined ? {} : { cursor }),
    });
    sessions.push(...page.sessions);
    cursor = page.cursor;
    if (cursor === undefined || sessions.length >= limit) return sessions.slice(0, limit);
  }
}

/** The session afterwards. */
export async function resetSession(client: Client, session: string): Promise<Session> {
  return (await ask(client)<{ session: Session }>('session.reset', { session })).session;
}

export async function deleteSession(client: Client, session: string): Promise<void> {
  await ask(client)('session.delete', { session });
}

function ask(client: Client): Ask {
  return client.request.bind(client) as unknown as Ask;
}
