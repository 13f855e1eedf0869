/**
 * The model of a fresh install: no key, no network, no language model. It answers a handful of simple requests, streams
 * and calls tools, so that everything around a model can be tried and measured. It is the model of the load bench
 * (20,000 answers a second on one thread), hence the plain loops.
 */
import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ModelEvent, ModelMessage, ModelProvider, ModelRequest, ToolCall } from '../provider.ts';
import { SUMMARIZER } from '../summarizer.ts';
import { parseToolInput } from './tool-input.ts';

/** Words in one `text` event. */
const PIECE_WORDS_MAX = 4;
/** Pieces, over all answers, between two turns of the event loop: without them long answers would starve the sockets. */
const PIECES_PER_TURN = 64;
/** Of a user's or tool's text that is quoted, in UTF-16 code units. */
const QUOTE_LENGTH_MAX = 200;
/** Nobody asks for the time in more than this; longer texts are not searched for it. */
const SIMPLE_LENGTH_MAX = 300;

const WHO = "I am Dhaavak's offline model, a small stand-in without a language model behind it.";

/** What it does with a text: say something, or call a tool and phrase the result in its next turn. */
type Answer = { text: string } | { tool: string; input: unknown };

export class OfflineProvider implements ModelProvider {
  readonly name = 'offline';
  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    const answer = sightless(answerTo(request), request);
    const inputTokens = guessTokens(request);
    if ('tool' in answer) {
      const call: ToolCall = { id: `call_${randomUUID()}`, name: answer.tool, input: answer.input };
      yield { type: 'toolCall', call };
      yield { type: 'end', reason: 'toolCalls', usage: { inputTokens, outputTokens: 1, estimated: true } };
      return;
    }
    for (let start = 0, pieces = 1; start < answer.text.length; pieces += 1) {
      if (signal.aborted) throw signal.reason;
      const end = pieceEnd(answer.text, start);
      yield { type: 'text', text: answer.text.slice(start, end) };
      start = end;
      if (pieces % PIECES_PER_TURN === 0) await nextTurn();
    }
    const outputTokens = tokensIn(answer.text.length);
    yield { type: 'end', reason: 'stop', usage: { inputTokens, outputTokens, estimated: true } };
  }
}

/** The answer, and before it that the images of the last message were not seen. */
function sightless(answer: Answer, { messages }: ModelRequest): Answer {
  const last = messages.at(-1);
  const count = last?.role === 'user' ? last.images?.length : undefined;
  if (count === undefined || 'tool' in answer) return answer;
  return { text: `I cannot see images, and you sent ${count === 1 ? 'one' : count}. ${answer.text}` };
}

function answerTo({ messages, system, tools }: ModelRequest): Answer {
  const last = messages.at(-1);
  if (system === SUMMARIZER) return { text: gist(messages.slice(0, -1)) };
  if (last?.role === 'tool') return { text: phraseResults(messages) };
  const text = last?.text.trim() ?? '';
  const offers = (name: string): boolean => tools.some((tool) => tool.name === name);

  const asked = /^call\s+(\S+)\s*([\s\S]*)$/i.exec(text);
  if (asked) return explicitCall(asked[1]!, asked[2]!, offers);
  if (text.length <= SIMPLE_LENGTH_MAX) {
    const sum = /^(?:(?:what(?:'s| is)|how much is)\s+(?=[-+(.\d])|calc(?:ulate)?\s+)(.+?)[\s?=]*$/i.exec(text)?.[1];
    if (sum && offers('calc')) return { tool: 'calc', input: { expression: sum } };
    if (/\bwhat(?:'s| is) the time\b|\bwhat time is it\b/i.test(text) && offers('time.now')) {
      return { tool: 'time.now', input: {} };
    }
    if (/^(?:hi|hello|hey|namaste|good (?:morning|afternoon|evening))\b/i.test(text)) return { text: `Hello. ${WHO}` };
    if (/^(?:help|what can you do)\b/i.test(text)) return { text: help(tools.map((tool) => tool.name)) };
  }
  return { text: `${WHO} You said: "${quote(text)}"` };
}

/** What stands in for a summary: the beginning of everything the user has said. */
function gist(messages: readonly ModelMessage[]): string {
  const said = messages.flatMap(({ role, text }) => (role === 'user' ? [`- ${quote(text)}`] : []));
  return `The user said:\n${said.join('\n')}`;
}

function explicitCall(name: string, json: string, offers: (name: string) => boolean): Answer {
  if (!offers(name)) return { text: `I am not offered a tool named ${quote(name)}; "help" lists those I can call.` };
  try {
    return { tool: name, input: parseToolInput(json) };
  } catch {
    return { text: `The input for ${name} must be JSON, such as: call ${name} {"key": "value"}` };
  }
}

function help(tools: readonly string[]): string {
  const calls = tools.length > 0 ? ` I can call these tools: ${tools.join(', ')}.` : '';
  return (
    `${WHO} Try "what time is it", "what is 2+3*4", or "call <tool> {json}".${calls} ` +
    'For real answers set ANTHROPIC_API_KEY or OPENAI_API_KEY and start again.'
  );
}

/** The results at the end of `messages`, each in a sentence. */
function phraseResults(messages: readonly ModelMessage[]): string {
  const index = messages.findLastIndex((message) => message.role === 'assistant');
  const asking = messages[index];
  const calls = asking?.role === 'assistant' ? asking.toolCalls : [];
  const sentences: string[] = [];
  for (const message of messages.slice(index + 1)) {
    if (message.role !== 'tool') continue;
    const call = calls.find(({ id }) => id === message.call);
    sentences.push(phraseResult(message.name, call?.input, message.text, message.failed));
  }
  return sentences.join(' ');
}

function phraseResult(name: string, input: unknown, output: string, failed: boolean): string {
  if (failed) return `${name} failed: ${quote(output)}`;
  if (name === 'calc') return `${(input as { expression?: unknown } | undefined)?.expression} = ${quote(output)}`;
  if (name === 'time.now') {
    const { local, timeZone } = parseRecord(output);
    if (local && timeZone) return `It is ${local} (${timeZone}).`;
  }
  return `${name} answered: ${quote(output)}`;
}

function parseRecord(json: string): Record<string, unknown> {
  try {
    return (JSON.parse(json) as Record<string, unknown> | null) ?? {};
  } catch {
    return {};
  }
}

function quote(text: string): string {
  return text.length <= QUOTE_LENGTH_MAX ? text : `${text.slice(0, QUOTE_LENGTH_MAX)}…`;
}

/** End of the piece that begins at `start`: after `PIECE_WORDS_MAX` words and the white space behind them. */
function pieceEnd(text: string, start: number): number {
  let words = 0;
  let inWord = false;
  for (let i = start; i < text.length; i += 1) {
    const space = isSpace(text.charCodeAt(i));
    if (space) {
      inWord = false;
    } else if (!inWord) {
      if (words === PIECE_WORDS_MAX) return i;
      words += 1;
      inWord = true;
    }
  }
  return text.length;
}

/** About four characters to a token, as in English: a guess, and told as one. */
function guessTokens({ system, messages }: ModelRequest): number {
  let length = system.length;
  for (const message of messages) length += message.text.length;
  return tokensIn(length);
}

function tokensIn(length: number): number {
  return Math.ceil(length / 4);
}

function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13) || code === 0xa0;
}
