/** The tool calls that wait for an operator or were decided, as operators look at them. */
import type { ApprovalInfo, Replies, RequestData } from '../../src/protocol/messages.ts';
import type { Store } from '../../src/storage/store.ts';

/** Calls in a page, where the client names no limit; and their JSON, so that a frame holds them. */
const PAGE = 50;
const PAGE_LENGTH_MAX = 262_144;

/** One page of them, of all shards. */
export function listApprovals(
  store: Store,
  { state = 'waiting', session, before, limit = PAGE }: RequestData<'approval.list'>,
  now: number,
): Replies['approval.list'] {
  const found = state === 'decided' ? store.approvals.decided(before) : store.approvals.waiting(now);
  const approvals: ApprovalInfo[] = [];
  let length = 0;
  for (const approval of found) {
    if (session !== undefined && approval.session !== session) continue;
    length += JSON.stringify(approval).length;
    const isFull = approvals.length === limit || (approvals.length > 0 && length > PAGE_LENGTH_MAX);
    if (isFull) return { approvals, more: true };
    approvals.push(approval);
  }
  return { approvals, more: false };
}
