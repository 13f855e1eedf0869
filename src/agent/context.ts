/**
 * What of a transcript models may look back on. Pure: entries in, turns out, and in them no tool call without its result and
 * no result without its call, for any transcript, a damaged one included. What of that a request holds: `assembly.ts`.
 */
import type { Attachment, HistoryEntry, MessageSource } from '../protocol/messages.ts';
import type { ModelMessage, StoredImage, ToolCall } from './provider.ts';
import type { TokenFamily } from './tokens.ts';

/**
 * Most earlier text a session keeps at hand, in UTF-16 code units: about 200,000 tokens of English. It bounds memory; what
 * fits into a model's window is settled with each request (`assembly.ts`).
 */
export const HISTORY_LENGTH_MAX = 800_000;
/** Most earlier turns, a turn being a user's message and everything it led to: beyond, a summary serves better. */
export const HISTORY_TURNS_MAX = 100;
/** Most messages of them, results of tools included: as many entries are read when a session comes back to memory. */
export const HISTORY_MESSAGES_MAX = 400;
/** What a message costs besides its text: its role and the syntax around it. */
const MESSAGE_OVERHEAD = 16;

/** A turn that has ended, as a model is sent it. */
export interface PastTurn {
  /** The id of the user's message, and its place in the transcript. */
  message: string;
  seq: number;
  messages: readonly ModelMessage[];
  /** What it counts towards {@link HISTORY_LENGTH_MAX}. */
  length: number;
  /** Once somebody has asked: see `meter.ts`. */
  counted?: TurnTokens;
  /** Whether something in it came from outside, once somebody has asked: see `taint.ts`. */
  tainted?: boolean;
}

/** Estimated tokens of a turn. */
export interface TurnTokens {
  family: TokenFamily;
  /** Of each message. */
  each: readonly number[];
  /** Of all results of tools together, and of all else. */
  results: number;
  rest: number;
  /** How many images there are, whose tokens are in none of these. */
  images: number;
}

/** What was said before the message that is to be answered. */
export interface History {
  /** Stands for what came before the turns. */
  summary: PastTurn | undefined;
  /** Oldest first. */
  turns: readonly PastTurn[];
}

export const NO_HISTORY: History = { summary: undefined, turns: [] };

/** Reads the image number `index` of the user's entry `seq`; undefined when it is not there any more. */
export type ImageReader = (seq: number, index: number) => Uint8Array | undefined;

/**
 * The turns of a transcript, in the order of the users' entries. Entries are taken by the message they belong to, because
 * a second message may be accepted before the answer to the first is written; those of no user's entry are left out.
 */
export function pastTurns(entries: readonly HistoryEntry[], readImage: ImageReader = () => undefined): PastTurn[] {
  return groupByTurn(entries).map((turn) => {
    const messages = turnMessages(turn, readImage);
    return { message: turn[0].message, seq: turn[0].seq, messages, length: contextLength(messages) };
  });
}

/** As many of the newest turns as the limits allow. */
export function newestTurns(past: readonly PastTurn[]): readonly PastTurn[] {
  let length = 0;
  let messages = 0;
  let first = past.length;
  while (first > 0 && past.length - first < HISTORY_TURNS_MAX) {
    const turn = past[first - 1]!;
    length += turn.length;
    messages += turn.messages.length;
    if (length > HISTORY_LENGTH_MAX || (messages > HISTORY_MESSAGES_MAX && first < past.length)) break;
    first -= 1;
  }
  return first === 0 ? past : past.slice(first);
}

type SaidMessage = Pick<HistoryEntry, 'seq' | 'text'> & {
  attachments?: readonly Attachment[] | undefined;
  source?: MessageSource | undefined;
};

/** A user's message; its images are read when they are sent. */
export function userMessage({ seq, text, attachments, source }: SaidMessage, read: ImageReader): ModelMessage {
  const from = source === undefined ? {} : { outside: true as const };
  if (attachments === undefined) return { role: 'user', text, ...from };
  const stored = attachments.map(
    ({ mediaType, bytes }, index): StoredImage => ({ mediaType, bytes, read: () => read(seq, index) }),
  );
  return { role: 'user', text, stored, ...from };
}

/** What `messages` count towards {@link HISTORY_LENGTH_MAX}. */
export function contextLength(messages: readonly ModelMessage[]): number {
  let length = 0;
  for (const message of messages) {
    length += message.text.length + MESSAGE_OVERHEAD;
    if (message.role !== 'assistant') continue;
    for (const { name, input } of message.toolCalls) {
      length += name.length + (JSON.stringify(input)?.length ?? 0) + MESSAGE_OVERHEAD;
    }
  }
  return length;
}

/** A user's entry and those that belong to it, in the order they were written. */
type Turn = [user: HistoryEntry, ...rest: HistoryEntry[]];

/** In the order of the users' entries. Entries whose user entry is not among `entries` are left out. */
function groupByTurn(entries: readonly HistoryEntry[]): Turn[] {
  const turns = new Map<string, Turn>();
  for (const entry of entries) {
    if (entry.role === 'user' && !turns.has(entry.message)) turns.set(entry.message, [entry]);
  }
  for (const entry of entries) {
    if (entry.role !== 'user') turns.get(entry.message)?.push(entry);
  }
  return [...turns.values()];
}

function turnMessages([user, ...rest]: Turn, readImage: ImageReader): ModelMessage[] {
  const messages: ModelMessage[] = [userMessage(user, readImage)];
  for (const [index, entry] of rest.entries()) {
    if (entry.role === 'assistant') messages.push(...answerMessages(entry, resultsAfter(rest, index)));
  }
  return messages;
}

/** The results written between the assistant's entry at `index` and the next one. An id counts only until there. */
function resultsAfter(entries: readonly HistoryEntry[], index: number): Map<string, HistoryEntry> {
  const results = new Map<string, HistoryEntry>();
  for (const entry of entries.slice(index + 1)) {
    if (entry.role === 'assistant') break;
    if (entry.toolCall && !results.has(entry.toolCall.id)) results.set(entry.toolCall.id, entry);
  }
  return results;
}

/** One assistant entry and the results of its calls, in the order of the calls; nothing of calls without a result. */
function answerMessages(entry: HistoryEntry, results: ReadonlyMap<string, HistoryEntry>): ModelMessage[] {
  const answered = new Map<string, ToolCall>();
  for (const call of entry.toolCalls ?? []) {
    if (results.has(call.id)) answered.set(call.id, call);
  }
  const toolCalls = [...answered.values()];
  if (entry.text === '' && toolCalls.length === 0) return [];
  return [
    { role: 'assistant', text: entry.text, toolCalls },
    ...toolCalls.map(({ id, name }): ModelMessage => {
      const { text, toolCall } = results.get(id)!;
      return { role: 'tool', call: id, name, text, failed: toolCall?.failed === true };
    }),
  ];
}
