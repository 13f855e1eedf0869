/** Texts as the index of words is given them, and what it is asked. */

/** Scripts that put no space between words: each of their characters is a word here, and two beside each other are searched as one. */
const UNSPACED = String.raw`[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]\p{M}*`;
const UNSPACED_CHARACTER = new RegExp(UNSPACED, 'gu');
/** What FTS5's tokenizer takes for words, nearly, and rows of characters of the scripts above. */
const TERM = new RegExp(String.raw`(?:${UNSPACED})+|(?:(?!${UNSPACED})[\p{L}\p{N}\p{M}\p{Co}])+`, 'gu');
const IS_UNSPACED = new RegExp(`^${UNSPACED}`, 'u');
/** Words of a query that are searched for: each costs a look through all that have it. */
export const TERMS_MAX = 32;

/** A text as it is indexed. */
export function indexable(text: string): string {
  return text.normalize('NFKC').replace(UNSPACED_CHARACTER, ' $& ');
}

/** What is to be searched for a query: its words, each once, and pairs of characters where words have no space between them. */
export function termsOf(query: string, limit = TERMS_MAX): string[] {
  const terms = new Set<string>();
  for (const [term] of query.normalize('NFKC').toLowerCase().matchAll(TERM)) {
    for (const part of IS_UNSPACED.test(term) ? pairsOf(term) : [term]) {
      if (terms.size >= limit) return [...terms];
      terms.add(part);
    }
  }
  return [...terms];
}

/**
 * How much of what the terms say a text has, from 0 to 1: `informationOf` a term is more, the rarer it is. Accents do not matter, as
 * they do not to the index.
 */
export function shareOf(terms: readonly string[], text: string, informationOf: (term: string) => number): number {
  const there = new Set(termsOf(text, Number.POSITIVE_INFINITY).map(plain));
  let share = 0;
  let whole = 0;
  for (const term of terms) {
    const information = informationOf(term);
    whole += information;
    if (there.has(plain(term))) share += information;
  }
  return whole === 0 ? 0 : share / whole;
}

function plain(term: string): string {
  return term.normalize('NFD').replace(/\p{M}/gu, '');
}

/** An expression of FTS5 for texts that have any of the terms. They have no quotes in them, and in quotes nothing is syntax. */
export function anyOf(terms: readonly string[]): string {
  return terms.map((term) => `"${term}"`).join(' OR ');
}

function pairsOf(term: string): string[] {
  const characters = term.match(UNSPACED_CHARACTER) ?? [];
  if (characters.length < 2) return characters;
  return characters.slice(1).map((character, index) => `${characters[index]} ${character}`);
}
