/** Patterns on the text of a tool call's input. Pure, without regular expressions: they could be made to take for ever. */

/** Longest text that is compared, in UTF-16 code units: with a pattern of 256 that is at worst 2 million steps. */
export const MATCHED_LENGTH_MAX = 8_192;

/**
 * Where a shell may read something else than more words: the end of a command, a pipe, a redirection, a substitution, a
 * quote or an escape. `git status*` must not be what lets `git status; rm -rf ~` through.
 */
const SHELL = /[;&|<>$`\\'"(){}\r\n\0]/;

/**
 * Whether all of `text` is what `pattern` says: `*` stands for any text, `?` for one UTF-16 code unit, all else for itself. With
 * `cautious`, as for a rule that lets a call through, neither stands for a character that means something to a shell, and a
 * text that is too long matches nothing; without it, such a text matches everything.
 */
export function matches(pattern: string, text: string, { cautious }: { cautious: boolean }): boolean {
  if (text.length > MATCHED_LENGTH_MAX) return !cautious;
  const isStoodFor = (at: number): boolean => !cautious || !SHELL.test(text.charAt(at));
  let at = 0;
  let next = 0;
  /** Behind the last `*`, and up to where it stands for the text. */
  let star: { next: number; to: number } | undefined;
  while (at < text.length) {
    const wanted = pattern[next];
    if (wanted === '*') {
      next += 1;
      star = { next, to: at };
    } else if (wanted === '?' ? isStoodFor(at) : wanted === text[at]) {
      next += 1;
      at += 1;
    } else if (star !== undefined && isStoodFor(star.to)) {
      star.to += 1;
      at = star.to;
      next = star.next;
    } else return false;
  }
  while (pattern[next] === '*') next += 1;
  return next === pattern.length;
}

/** A value of an input as the text that patterns are compared with: the words of a list with blanks between, else JSON. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((word) => typeof word === 'string')) return value.join(' ');
  return JSON.stringify(value) ?? '';
}
