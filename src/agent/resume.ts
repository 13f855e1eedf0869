/**
 * Where a run goes on that was cut short by the end of its process. This is the one place that decides what becomes of
 * tool calls whose outcome nobody has written down. Pure.
 *
 * A run writes its calls down before it makes them, and each result when it is there. So of what was written
 * - a call with a result has happened;
 * - a call without one may have happened: it is made again only where its tool says that this does no harm, or where it
 *   waited for an operator's yes. Otherwise its outcome is unknown, and the model is told so;
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
  const done = resultsAfter(written, last);
  const open = answer.toolCalls.filter(({ id }) => !done.has(id));
  const calls = open.filter(mayRepeat);
  const unknown = open.filter((call) => !calls.includes(call));
  return {
    messages: [...wholeBefore(written, last), answer, ...done.values(), ...unknown.map(unknownResult)],
    calls,
    unknown,
    said: written.slice(last + 1).filter(({ role }) => role === 'user'),
  };
}

/**
 * The messages before that at `end`, each call with its result right behind it: what may be repeated is not waited for
 * when it is written, so one of the two may be missing or stand further down.
 */
function wholeBefore(written: readonly ModelMessage[], end: number): ModelMessage[] {
  return written.slice(0, end).flatMap((message, index): ModelMessage[] => {
    if (message.role === 'tool') return [];
    if (message.role === 'user') return [message];
    const done = resultsAfter(written, index);
    return [message, ...message.toolCalls.map((call) => done.get(call.id) ?? unknownResult(call))];
  });
}

/** The results, up to the next answer, of the calls of the one at `index`; by their calls. */
function resultsAfter(written: readonly ModelMessage[], index: number): Map<string, ModelMessage> {
  const answer = written[index];
  const calls = answer?.role === 'assistant' ? answer.toolCalls : [];
  const results = new Map<string, ModelMessage>();
  for (const message of written.slice(index + 1)) {
    if (message.role === 'assistant') break;
    if (message.role === 'tool' && calls.some(({ id }) => id === message.call)) results.set(message.call, message);
  }
  return results;
}

function unknownResult({ id, name }: ToolCall): ModelMessage {
  return { role: 'tool', call: id, name, text: OUTCOME_UNKNOWN, failed: true };
}
