/** How the end of a run becomes lines of the transcript. */
import type { RunEnd } from '../../src/agent/loop.ts';
import type { ModelMessage } from '../../src/agent/provider.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import { RuntimeError } from '../../src/runtime/errors.ts';
import { boundedInput, boundedText } from './bounds.ts';

/** What all entries of one run have in common. */
export interface RunMark {
  run: string;
  timestamp: number;
}

/**
 * The entries a run adds, numbered by `number`. One that did not end well says so in its last line. `answered`: the ids of
 * the message it began with and of those that came in between, in order: each entry belongs to the last one before it.
 */
export function entriesOf(
  end: RunEnd,
  answered: readonly string[],
  mark: RunMark,
  number: () => number,
): HistoryEntry[] {
  let steered = 0;
  const entries: HistoryEntry[] = [];
  for (const message of end.messages) {
    // Its entry was written when it was accepted.
    if (message.role === 'user') steered += 1;
    else entries.push(entryOf(message, { ...mark, message: answered[steered] as string }, number()));
  }
  if (end.status === 'ok') return entries;
  const last = entries.findLast(({ role }) => role === 'assistant');
  if (last !== undefined) last.status = end.status;
  else
    entries.push({
      seq: number(),
      role: 'assistant',
      text: '',
      ...mark,
      message: answered[0] as string,
      status: end.status,
    });
  return entries;
}

function entryOf(
  message: Exclude<ModelMessage, { role: 'user' }>,
  mark: RunMark & { message: string },
  seq: number,
): HistoryEntry {
  const entry = { seq, role: message.role, ...boundedText(message.text), ...mark };
  if (message.role === 'tool') {
    const failed = message.failed ? { failed: true as const } : {};
    return { ...entry, toolCall: { id: message.call, name: message.name, ...failed } };
  }
  const calls = message.toolCalls;
  return calls.length === 0
    ? entry
    : { ...entry, toolCalls: calls.map((call) => ({ ...call, input: boundedInput(call.input) })) };
}

/** Whether the gateway is going down and ended the run before its time: the turn is not over, it runs after the start. */
export function endedByShutdown({ reason }: AbortSignal): boolean {
  return reason instanceof RuntimeError && reason.code === 'closed';
}

/** Tells a run that ran out of time from one that somebody cancelled: both end by their signal. */
export function withReason(end: RunEnd, { reason }: AbortSignal): RunEnd {
  if (end.status !== 'cancelled' || !(reason instanceof RuntimeError)) return end;
  return { ...end, status: 'failed', error: new DhaavakError('deadline_exceeded', reason.message) };
}

/** The end of a run that could not begin, for a reason its user may know. Throws any other. */
export function failedEnd(error: unknown): RunEnd {
  if (!(error instanceof DhaavakError)) throw error;
  return { type: 'end', status: 'failed', messages: [], text: '', usage: { inputTokens: 0, outputTokens: 0 }, error };
}
