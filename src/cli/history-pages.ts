import type { Client } from '../client/client.ts';
import type { HistoryEntry, RequestData } from '../protocol/messages.ts';

/** Entries asked for at once. */
const PAGE = 200;

/** One page, and how many entries it has passed over since they are damaged. */
interface Page {
  entries: readonly HistoryEntry[];
  damaged: number;
}

/** What of a transcript is asked for, besides where. */
export type HistoryFilter = Pick<RequestData<'session.history'>, 'contains' | 'roles' | 'since' | 'until'>;

/** The entries of a session, oldest first, page by page, of which one at a time is in memory. */
export async function* historyPages(client: Client, session: string, filter: HistoryFilter = {}): AsyncGenerator<Page> {
  for (let after = 0; ; ) {
    const page = await client.request('session.history', { session, after, limit: PAGE, ...filter });
    yield { entries: page.entries, damaged: page.damaged ?? 0 };
    // A gateway that says neither where to go on nor that it has looked any further would be asked for ever.
    if (!page.more || page.cursor === undefined || page.cursor <= after) return;
    after = page.cursor;
  }
}
