/** How the offline embedder takes texts apart: into words, and words into the numbers they are known by. */

/** A word with what is written to it (accents, vowel signs), or a picture sign, which says something too. */
const TOKEN = /[\p{L}\p{M}\p{N}]+|\p{Extended_Pictographic}/gu;
/** What English hangs on to words: don't, it's, they're. */
const CONTRACTION = /(?:n['’]t|['’](?:s|re|ve|ll|d|m))(?![\p{L}\p{N}])/gu;
/** Scripts without spaces between words. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u;

/** The words of a text in lower case, in order. Where a script has no spaces, each two signs that stand together. */
export function tokensOf(text: string): string[] {
  const plain = text.normalize('NFKC').toLowerCase().replace(CONTRACTION, '');
  const tokens: string[] = [];
  for (const [token] of plain.matchAll(TOKEN)) {
    if (UNSPACED.test(token)) tokens.push(...pairsOf(token));
    else tokens.push(token);
  }
  return tokens;
}

function pairsOf(token: string): string[] {
  const signs = [...token];
  return signs.length < 2 ? signs : signs.slice(1).map((sign, index) => signs[index]! + sign);
}

/** FNV-1a, 32 bits, over UTF-16 code units. `seed` is the hash of what comes before. */
export function hashText(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** `hash` with every bit depending on every other: FNV's own low bits are too regular to pick places by. MurmurHash3's end. */
export function mixed(hash: number): number {
  let mix = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return (mix ^ (mix >>> 16)) >>> 0;
}
