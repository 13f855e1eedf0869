import type { HistoryEntry, Outcome } from '../../src/protocol/messages.ts';
import type { KeyOwner } from '../../src/storage/idempotency.ts';
import type { Store } from '../../src/storage/store.ts';

/** Entries looked at behind a message: more than a run and a full mailbox can put between it and its end. */
const LOOK_MAX = 2_000;

/** How the message of an idempotency key ended; undefined while it has not. */
export function outcomeOf(store: Store, session: string, { message, seq, answer }: KeyOwner): Outcome | undefined {
  if (answer !== undefined) return { run: '', status: 'ok', text: answer };
  if (seq === 0 || store.inbox.doesExist([session, seq])) return undefined;
  // Retention has removed the turn: all that is known of it is that it has ended.
  if (!store.entries.doesExist([session, seq])) return { run: '', status: 'ok', text: '', truncated: true };
  const range = { start: [session, seq + 1] as [string, number], end: [session, Infinity] as [string, number] };
  for (const { value } of store.entries.getRange({ ...range, limit: LOOK_MAX })) {
    if (value === undefined || !ends(value, message)) continue; // undefined: damaged
    const { run = '', status = 'ok', text, truncated } = value;
    return { run, status, text, ...(truncated && { truncated }) };
  }
  return undefined;
}

/** Whether the entry is the last of the run that answered the message. */
function ends({ role, message, answers, toolCalls, status }: HistoryEntry, asked: string): boolean {
  const isLast = role === 'assistant' && (status !== undefined || toolCalls === undefined);
  return isLast && (message === asked || answers?.includes(asked) === true);
}
