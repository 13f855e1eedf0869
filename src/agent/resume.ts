/**
 * Where a run goes on that was cut short by the end of its process. This is the one place that decides what becomes of
 * tool calls whose outcome nobody has written down. Pure.
 *
 * A run writes its calls down before it makes them, and each result when it is there. So of what was written
 * - a call with a result has happened;
 * - a call without one may have happened: it is made again only where its tool says that this does no harm. Otherwise
 *   its outcome is unknown, and the model is told so;
 * - a text without calls was never whole: the model is asked again.
 */
import type { ModelMessage, ToolCall } from './provider.ts';

export interface Resumption {
  /** What was written, in order. The calls of the last answer have their results here, but for those in `calls`. */
  messages: readonly ModelMessage[];
  /** To be made again. */
  calls: readonly ToolCall[];
  /** Those whose outcome is not known: their results, which say so, stand at the end of `messages`. */
  unknown: readonly ToolCall[];
  /** What the user had said after all that. */
  said: readonly ModelMessage[];
}

/** Of a call that may have happened before the process ended. */
export const OUTCOME_UNKNOWN =
  'The gateway stopped while this call was being made. Its outcome is unknown: it may have happened. Check before you make it again.';

/**
 * How to go on from `written`: the assistant's messages with calls, the results there are, and the user's messages that
 * came in between. Undefined when nothing was written: the run begins anew.
 */
export function resumptionOf(
  written: readonly ModelMessage[],
  mayRepeat: (call: ToolCall) => boolean,
): Resumption | undefined {
  const last = written.findLastIndex(({ role }) => role === 'assistant');
  const answer = written[last];
  if (answer?.role !== 'assistant') return undefined;
  const after = written.slice(last + 1);
  const results = after.filter((message) => message.role === 'tool');
  const open = answer.toolCalls.filter(({ id }) => !results.some(({ call }) => call === id));
  const calls = open.filter(mayRepeat);
  const unknown = open.filter((call) => !calls.includes(call));
  return {
    messages: [...written.slice(0, last + 1), ...results, ...unknown.map(unknownResult)],
    calls,
    unknown,
    said: after.filter(({ role }) => role === 'user'),
  };
}

function unknownResult({ id, name }: ToolCall): ModelMessage {
  return { role: 'tool', call: id, name, text: OUTCOME_UNKNOWN, failed: true };
}
