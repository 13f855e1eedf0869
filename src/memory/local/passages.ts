/** Long texts are found by their parts. */

/** From where to where a part of a text goes, in UTF-16 code units. */
export interface Passage {
  start: number;
  end: number;
}

/** What a part is about is one thing or two, and an embedder's mean over it still says what. */
const LENGTH = 1_200;
/** A last part that is shorter is one with the part before it. */
const LENGTH_MIN = 200;
/** What a part repeats of the one before, for what stands across the cut. */
const OVERLAP = 150;
/** Of one text: what stands behind them is not found. */
export const PASSAGES_MAX = 16;

/** Where a text may be cut, the best first: paragraphs, lines, sentences, words. */
const CUTS = [/\n\s*\n/g, /\n/g, /[.!?…。！？]["'”’)\]]*(?=\s|$)|[。！？]/g, /\s+/g];

/** The parts of a text, at most {@link PASSAGES_MAX}: of one that is short, all of it. None of an empty one. */
export function passagesOf(text: string): Passage[] {
  const passages: Passage[] = [];
  let start = 0;
  while (start < text.length && passages.length < PASSAGES_MAX) {
    const end = text.length - start <= LENGTH + LENGTH_MIN ? text.length : cutBefore(text, start + LENGTH, start);
    if (text.slice(start, end).trim() !== '') passages.push({ start, end });
    if (end === text.length) break;
    start = afterSpace(text, end - OVERLAP, end);
  }
  return passages;
}

/** The best place for a cut in the second half before `limit`. */
function cutBefore(text: string, limit: number, start: number): number {
  const from = start + Math.floor((limit - start) / 2);
  const half = text.slice(from, limit);
  for (const cut of CUTS) {
    const last = [...half.matchAll(cut)].at(-1);
    if (last !== undefined) return from + last.index + last[0].length;
  }
  return wholeAt(text, limit);
}

/** The beginning of a word between the two places, or the first of them where there is none. */
function afterSpace(text: string, from: number, to: number): number {
  const space = /\s+/.exec(text.slice(from, to));
  return space === null ? wholeAt(text, from) : from + space.index + space[0].length;
}

/** The place, or the one before it where that is in the middle of a character. */
function wholeAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at;
}
