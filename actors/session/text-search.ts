/** Steps that the runtime's own search may take at worst, on one text: about a millisecond. */
const STEPS_MAX = 1_000_000;

/**
 * What says whether `sought` stands in a text, in upper or lower case. The time it takes grows with the length of the text
 * alone: the runtime's search is quicker nearly always, and for long texts made to be searched slowly it is not asked.
 */
export function textFinder(sought: string): (text: string) => boolean {
  const needle = folded(sought);
  let borders: Uint16Array | undefined;
  return (text) => {
    const hay = folded(text);
    if (hay.length * needle.length <= STEPS_MAX) return hay.includes(needle);
    borders ??= bordersOf(needle);
    return findsIn(hay, needle, borders);
  };
}

/** One form for all cases of a letter; a small sigma has two. */
function folded(text: string): string {
  return text.toLowerCase().replaceAll('ς', 'σ');
}

/** For each beginning of a text, the length of the longest shorter one that it ends with. */
function bordersOf(text: string): Uint16Array {
  const borders = new Uint16Array(text.length);
  for (let at = 1, length = 0; at < text.length; at++) {
    while (length > 0 && text.charCodeAt(at) !== text.charCodeAt(length)) length = borders[length - 1] as number;
    if (text.charCodeAt(at) === text.charCodeAt(length)) length += 1;
    borders[at] = length;
  }
  return borders;
}

/** The search of Knuth, Morris and Pratt: it never goes back in `hay`. */
function findsIn(hay: string, needle: string, borders: Uint16Array): boolean {
  for (let at = 0, length = 0; at < hay.length; at++) {
    const code = hay.charCodeAt(at);
    while (length > 0 && code !== needle.charCodeAt(length)) length = borders[length - 1] as number;
    if (code === needle.charCodeAt(length)) length += 1;
    if (length === needle.length) return true;
  }
  return false;
}
