/** Where the parts of a Markdown text are that should stay in one piece. Positions are in UTF-16 units. */

export interface Span {
  readonly start: number;
  /** After its last unit. */
  readonly end: number;
}

/** A block of code between two fences. One that is not closed reaches to the end of the text. */
export interface Fence extends Span {
  /** Where its first line of code begins, and its last one ends (after the newline). */
  readonly body: number;
  readonly bodyEnd: number;
  /** The lines that open it again in another message, and close it there. */
  readonly open: string;
  readonly close: string;
}

/** In quotes and lists too. */
const OPENING = /^((?:[ \t]*>)*[ \t]*)(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}(?=[^`]*$)|~{3,})(.*)$/;
const CLOSING = /^(?:[ \t]*>)*[ \t]*(`{3,}|~{3,})[ \t\r]*$/;
/** CommonMark takes four spaces before a fence for code of another kind. */
const INDENT_MAX = 3;
const LANGUAGE_LENGTH_MAX = 32;

/** The fenced code of a text, in order. */
export function fencesIn(text: string): Fence[] {
  const fences: Fence[] = [];
  let opened: { start: number; body: number; fence: string; open: string; close: string } | undefined;
  for (const { start, end, line } of linesOf(text)) {
    if (opened === undefined) {
      const opening = OPENING.exec(line);
      if (opening === null) continue;
      const [, before = '', fence = '', info = ''] = opening;
      const indent = before.includes('>') ? before : before.replaceAll('\t', ' ').slice(0, INDENT_MAX);
      const language = (info.trim().split(/\s/)[0] ?? '').slice(0, LANGUAGE_LENGTH_MAX);
      const close = indent + fence;
      opened = { start, body: Math.min(end + 1, text.length), fence, open: close + language, close };
      continue;
    }
    const closing = CLOSING.exec(line)?.[1];
    if (closing === undefined || closing[0] !== opened.fence[0] || closing.length < opened.fence.length) continue;
    const { fence: _, ...rest } = opened;
    fences.push({ ...rest, bodyEnd: start, end });
    opened = undefined;
  }
  if (opened === undefined) return fences;
  const { fence: _, ...rest } = opened;
  return [...fences, { ...rest, bodyEnd: text.length, end: text.length }];
}

function* linesOf(text: string): Iterable<{ start: number; end: number; line: string }> {
  for (let start = 0; start <= text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    yield { start, end, line: text.slice(start, end) };
    start = end + 1;
  }
}

/** Links, in Markdown and bare; bold text; something escaped; a run of backticks. Bounded: texts may be hostile. */
const INLINE = new RegExp(
  [
    String.raw`\\[^\w\s]`,
    String.raw`!?\[(?:[^[\]\n]|\[[^[\]\n]{0,200}\]){0,1000}\]\((?:[^()\s]|\([^()\s]{0,500}\)){0,2048}(?:\s"[^"\n]{0,500}")?\)`,
    String.raw`<[a-z][a-z0-9+.-]{1,31}:[^\s<>]{1,2048}>`,
    String.raw`https?:\/\/[^\s<>]{1,2048}`,
    String.raw`\*\*[^*\n]{1,200}\*\*`,
    '`+',
  ].join('|'),
  'gi',
);
/** A code span that is longer is taken for a stray backtick. */
const CODE_SPAN_MAX = 2_000;

/** What should not be cut, in order: the fences, and between them links, inline code and bold text. */
export function solidSpans(text: string, fences: readonly Fence[]): Span[] {
  const spans: Span[] = [];
  let from = 0;
  for (const fence of fences) {
    spans.push(...inlineSpans(text.slice(from, fence.start), from), fence);
    from = fence.end;
  }
  return [...spans, ...inlineSpans(text.slice(from), from)];
}

function inlineSpans(text: string, offset: number): Span[] {
  const spans: Span[] = [];
  const pattern = new RegExp(INLINE);
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const [found] = match;
    if (found.startsWith('\\')) continue;
    const end = found.startsWith('`') ? endOfCode(text, match.index, found.length) : pattern.lastIndex;
    if (end === undefined) continue;
    pattern.lastIndex = end;
    spans.push({ start: offset + match.index, end: offset + end });
  }
  return spans;
}

/** Where the code ends that a run of `length` backticks at `start` begins: after the next such run in its paragraph. */
function endOfCode(text: string, start: number, length: number): number | undefined {
  const body = text.slice(start + length, start + length + CODE_SPAN_MAX);
  for (const { 0: run, index } of body.matchAll(/`+|\n[^\S\n]*\n/g)) {
    if (run.startsWith('\n')) return undefined;
    if (run.length === length) return start + length + index + length;
  }
  return undefined;
}
