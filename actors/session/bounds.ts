/**
 * What a model writes has no limit of its own; frames and records have. What is longer is cut, and says so.
 */
import { TEXT_LENGTH_MAX } from '../../src/protocol/limits.ts';

/** Longest input of a tool call that is kept and shown, in UTF-16 code units of JSON. */
const INPUT_LENGTH_MAX = 65_536;

/** The text as a frame or an entry can hold it: `truncated` when it is only the beginning. */
export function boundedText(text: string, lengthMax = TEXT_LENGTH_MAX): { text: string; truncated?: true } {
  return text.length <= lengthMax ? { text } : { text: text.slice(0, lengthMax), truncated: true };
}

/** The text in pieces of which each can be an event. */
export function pieces(text: string): string[] {
  const all: string[] = [];
  for (let start = 0; start < text.length; start += TEXT_LENGTH_MAX) {
    all.push(text.slice(start, start + TEXT_LENGTH_MAX));
  }
  return all;
}

/** A tool call's input, or the beginning of its JSON under `truncated`. */
export function boundedInput(input: unknown, lengthMax = INPUT_LENGTH_MAX): unknown {
  const json = JSON.stringify(input) ?? 'null';
  return json.length <= lengthMax ? input : { truncated: json.slice(0, lengthMax) };
}
