/** What became of a message whose events were missed: the transcript says. */
import type { HistoryEntry, Replies } from '../protocol/messages.ts';
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
  const answer = entries.slice(asked + 1).find((entry) => isLast(entry) && answers(entry, message));
  return answer === undefined ? [] : endEvents(session, message, answer);
}

function isQuestion({ role, message }: HistoryEntry, asked: string): boolean {
  return role === 'user' && message === asked;
}

/** Whether a run ended with this entry, and not with the tools it calls. */
function isLast({ role, toolCalls, status }: HistoryEntry): boolean {
  return role === 'assistant' && (status !== undefined || toolCalls === undefined);
}

function answers({ message, answers: others }: HistoryEntry, asked: string): boolean {
  return message === asked || others?.includes(asked) === true;
}

function endEvents(session: string, message: string, answer: HistoryEntry): RunEvent[] {
  const { run = '', status = 'ok', text, truncated } = answer;
  const data = { ...NOWHERE, session, run, message };
  const usage = { inputTokens: 0, outputTokens: 0, estimated: true };
  const end: RunEvent = { type: 'run.end', data: { ...data, status, usage } };
  if (status !== 'ok') return [end];
  return [{ type: 'message.outbound', data: { ...data, text, ...(truncated && { truncated }) } }, end];
}
