/** What became of a message whose events were missed: the transcript says. */
import type { HistoryEntry, Replies, RunStatus } from '../protocol/messages.ts';
import type { RunEvent } from './run.ts';

const PAGE = 200;

export type HistoryPage = (before: number | undefined, limit: number) => Promise<Replies['session.history']>;

/** The place of a made-up event: no other event has it. */
const NOWHERE = { seq: 0, epoch: '' };

/**
 * The last events of the run that answered `message`, made from the transcript, or none while it goes on. Pages back from
 * the newest entry to the message; rejects as `history` does.
 */
export async function endFromHistory(session: string, message: string, history: HistoryPage): Promise<RunEvent[]> {
  const entries: HistoryEntry[] = [];
  for (let before: number | undefined; ; before = entries[0]?.seq) {
    const page = await history(before, PAGE);
    entries.unshift(...page.entries);
    if (!page.more || page.entries.length === 0 || entries.some((entry) => isQuestion(entry, message))) break;
  }
  const asked = entries.findIndex((entry) => isQuestion(entry, message));
  if (asked < 0) return [];
  const later = entries.slice(asked + 1);
  const answer = later.find((entry) => entry.message === message && entry.role === 'assistant' && isLast(entry));
  if (answer) return endEvents(session, message, answer.run ?? '', answer.status ?? 'ok', answer);
  // A lane answers in order. Where a later message has its answer, this one was cancelled while it waited.
  const overtaken = later.some(({ role, message: other }, index) => {
    const question = later.findIndex((entry) => isQuestion(entry, other));
    return role === 'assistant' && question >= 0 && question < index;
  });
  return overtaken ? endEvents(session, message, '', 'cancelled') : [];
}

function isQuestion({ role, message }: HistoryEntry, asked: string): boolean {
  return role === 'user' && message === asked;
}

/** Whether the run ended with this entry, and not with the tools it calls. */
function isLast({ toolCalls, status }: HistoryEntry): boolean {
  return status !== undefined || toolCalls === undefined;
}

function endEvents(
  session: string,
  message: string,
  run: string,
  status: RunStatus,
  answer?: HistoryEntry,
): RunEvent[] {
  const data = { ...NOWHERE, session, run, message };
  const usage = { inputTokens: 0, outputTokens: 0, estimated: true };
  const end: RunEvent = { type: 'run.end', data: { ...data, status, usage } };
  if (answer === undefined || status !== 'ok') return [end];
  const { text, truncated } = answer;
  return [{ type: 'message.outbound', data: { ...data, text, ...(truncated && { truncated }) } }, end];
}
