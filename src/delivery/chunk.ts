/**
 * Cuts Markdown into messages a platform takes. Pure.
 *
 * A cut is made at the end of a paragraph, else of a line, a sentence, a word; whichever of these first leaves a piece a
 * third full. Never inside a code fence that fits into a message, a link, inline code, bold text, or a character as people
 * see it (a grapheme cluster). What alone is longer than a message is cut all the same: a code fence between two lines,
 * closed in the one message and opened again, with its language, in the next.
 *
 * Marked's lexer is no help: it says what the blocks are, but not where in the source they begin, nor where to cut them.
 */
import { type Fence, fencesIn, type Span, solidSpans } from './markdown-spans.ts';

/** A piece that ends earlier than this part of its length is too short, while there is another place to cut. */
const FILL_MIN = 1 / 3;
/** What cannot stand at the beginning of a piece: it belongs to the character before it. */
const EXTENDS = '[\\p{M}\\p{Grapheme_Extend}\\p{Emoji_Modifier}\\u200d]';
const STARTS_EXTENDED = new RegExp(EXTENDS, 'uy');
/** White space that can be left out at a cut. */
const WHITE_SPACE = new RegExp(`\\s*(?!${EXTENDS})`, 'uy');
/** Places to cut, the best kind first; the cut is where the match ends, or where its white space begins. */
const PLACES = [/\n[^\S\n]*(?=\n)/g, /\n/g, /[.!?…]["'”’)\]*_]*(?=\s)|[。！？][”’」』）]*/g, /\s+/g];
/** UTF-16 units around a place that decide whether it is inside a grapheme cluster; longer ones are cut. */
const CLUSTER_MAX = 128;

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Where a piece ends and the next one begins. */
interface Cut {
  end: number;
  next: number;
  /** The fence that is cut. */
  fence?: Fence;
}

/**
 * Pieces of at most `max` UTF-16 units (2 or more) that together say what `text` says; white space at the cuts
 * and at the end is left out.
 * None for a text of white space only.
 */
export function chunk(text: string, max: number): string[] {
  if (max < 2) throw new RangeError(`a piece of ${max} units cannot hold every character`);
  const trimmed = text.trimEnd();
  if (trimmed.length <= max) return trimmed === '' ? [] : [trimmed];
  return new Cutter(trimmed, max).pieces();
}

class Cutter {
  readonly #text: string;
  readonly #max: number;
  readonly #fences: readonly Fence[];
  readonly #solid: readonly Span[];
  readonly #pieces: string[] = [];

  constructor(text: string, max: number) {
    this.#text = text;
    this.#max = max;
    // One whose first and last line fill half of a message is cut as the text it is.
    this.#fences = fencesIn(text).filter(({ start, body, close }) => body - start + close.length + 1 <= max / 2);
    this.#solid = solidSpans(text, this.#fences);
  }

  pieces(): string[] {
    let head = '';
    let start = 0;
    while (this.#text.length - start > this.#max - head.length) {
      const cut = this.#cutAfter(start, start + this.#max - head.length);
      this.#add(head, this.#text.slice(start, cut.end), cut.fence);
      head = cut.fence === undefined || cut.next >= cut.fence.end ? '' : `${cut.fence.open}\n`;
      start = cut.next;
    }
    this.#add(head, this.#text.slice(start), undefined);
    return this.#pieces;
  }

  #add(head: string, body: string, cut: Fence | undefined): void {
    if (cut !== undefined) this.#pieces.push(`${head}${body}\n${cut.close}`);
    else if (body.trim() !== '') this.#pieces.push(head + body.trimEnd());
  }

  /** The cut of a piece from `start` that may reach up to `limit`. */
  #cutAfter(start: number, limit: number): Cut {
    const fence = spanAround(this.#fences, limit);
    if (fence === undefined) return this.#cutText(start, limit);
    const canGoBefore = fence.start > start;
    const fits = fence.end - fence.start <= this.#max;
    const isFull = fence.start - start >= (limit - start) / 2;
    if (canGoBefore && (fits || isFull)) return { end: fence.start, next: fence.start };
    return this.#cutFence(fence, start, limit, canGoBefore);
  }

  #cutFence(fence: Fence, start: number, limit: number, canGoBefore: boolean): Cut {
    const body = Math.max(start, fence.body);
    const last = Math.min(limit - fence.close.length - 1, fence.bodyEnd - 1);
    const line = this.#text.lastIndexOf('\n', last);
    // After the last line of code only the fence is left, which is in this piece.
    const next = line + 1 < fence.bodyEnd ? line + 1 : this.#skipWhiteSpace(fence.end).next;
    if (line > body) return { end: line, next, fence };
    if (canGoBefore) return { end: fence.start, next: fence.start };
    const end = this.#hardCut(body, last);
    return { end, next: end, fence };
  }

  #cutText(start: number, limit: number): Cut {
    const window = this.#text.slice(start, limit + 1);
    for (const fill of [FILL_MIN, 0]) {
      for (const place of PLACES) {
        const end = this.#lastPlace(place, window, start, start + (limit - start) * fill, limit);
        if (end !== undefined) return this.#skipWhiteSpace(end);
      }
    }
    const around = spanAround(this.#solid, limit);
    if (around !== undefined && around.start > start) return this.#skipWhiteSpace(this.#hardCut(start, around.start));
    return this.#skipWhiteSpace(this.#hardCut(start, limit));
  }

  /** The last match of `place` that ends a piece between `min` (not included) and `limit`. */
  #lastPlace(place: RegExp, window: string, start: number, min: number, limit: number): number | undefined {
    let found: number | undefined;
    for (const match of window.matchAll(place)) {
      const offset = /^\s/.test(match[0]) ? match.index : match.index + match[0].length;
      const end = start + offset;
      if (end > min && end <= limit && this.#mayCut(end)) found = end;
    }
    return found;
  }

  #mayCut(at: number): boolean {
    STARTS_EXTENDED.lastIndex = at;
    return spanAround(this.#solid, at) === undefined && !STARTS_EXTENDED.test(this.#text);
  }

  /** Leaves out white space, but not the indentation of the next line. */
  #skipWhiteSpace(end: number): Cut {
    WHITE_SPACE.lastIndex = end;
    const [space = ''] = WHITE_SPACE.exec(this.#text) ?? [];
    const line = space.lastIndexOf('\n');
    return { end, next: end + (line < 0 ? space.length : line + 1) };
  }

  /** The last boundary of a character after `start` and up to `limit`, or `limit` where there is none. */
  #hardCut(start: number, limit: number): number {
    const from = Math.max(start, limit - CLUSTER_MAX);
    const around = this.#text.slice(from, limit + CLUSTER_MAX);
    const boundary = from + (graphemes.segment(around).containing(limit - from)?.index ?? limit - from);
    if (boundary > start) return boundary;
    const isPair = /^[\ud800-\udbff][\udc00-\udfff]/.test(this.#text.slice(limit - 1, limit + 1));
    return isPair && limit - 1 > start ? limit - 1 : limit;
  }
}

/** The span with `at` between its first and last unit. */
function spanAround<T extends Span>(spans: readonly T[], at: number): T | undefined {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((spans[middle] as T).end > at) high = middle;
    else low = middle + 1;
  }
  const span = spans[low];
  return span !== undefined && span.start < at ? span : undefined;
}
