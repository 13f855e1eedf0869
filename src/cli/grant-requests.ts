import type { Client } from '../client/client.ts';
import type { GrantInfo, RequestData } from '../protocol/messages.ts';

/** Which grants to list. */
export type GrantFilter = Pick<RequestData<'allow.list'>, 'channel' | 'account' | 'kind'>;

/** All grants, page by page. */
export async function listGrants(client: Client, filter: GrantFilter): Promise<GrantInfo[]> {
  const all: GrantInfo[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await client.request('allow.list', { ...filter, ...(cursor === undefined ? {} : { cursor }) });
    all.push(...page.grants);
    cursor = page.cursor;
    if (cursor === undefined) return all;
  }
}
