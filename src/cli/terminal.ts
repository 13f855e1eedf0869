/** Writing to a terminal what others have written. */
import { styleText } from 'node:util';

/** A whole escape sequence: colours and cursor (CSI), titles and links (OSC). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const SEQUENCES = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g;
/** Every control character but tab and newline, and the marks that turn the direction of text around. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * `text` from a model, tool or server without what could move the cursor, set the title, write to the clipboard or make
 * text look like other text. Safe for pieces of a stream: of a sequence cut in two, the escape character is removed.
 */
export function printable(text: string): string {
  return text.replace(SEQUENCES, '').replace(CONTROLS, '');
}

/** `value` as JSON on one line, which means the same and commands no terminal either. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(CONTROLS, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** The same as {@link printable}, on one line of at most `lengthMax` characters. */
export function printableLine(text: string, lengthMax: number): string {
  const line = printable(text).replace(/\s+/g, ' ').trim();
  return line.length > lengthMax ? `${line.slice(0, lengthMax - 1)}…` : line;
}

/** Quieter than the rest, where `stream` is a terminal with colours and NO_COLOR is not set. */
export function dim(text: string, stream: NodeJS.WriteStream): string {
  return styleText('dim', text, { stream });
}
