/** How the app shows a text: which signs it takes for formatting, and what is to be read then. */

interface Look {
  readonly look: 'bold' | 'italic' | 'code' | 'block';
  readonly text: string;
}

/** A sign counts when it stands beside no letter, digit or sign on the outside and no space on the inside; in one line. */
function marked(sign: '*' | '_' | '~'): RegExp {
  const outside = `[\\p{L}\\p{N}${sign}]`;
  const mark = `[${sign}]`;
  return new RegExp(`(?<!${outside})${mark}(?=\\S)([^\\n]*?\\S)${mark}(?!${outside})`, 'u');
}

const RULES: readonly {
  readonly pattern: RegExp;
  readonly look: Look['look'] | undefined;
  readonly literal: boolean;
}[] = [
  { pattern: /```\n?(.+?)\n?```/s, look: 'block', literal: true },
  { pattern: /`([^`\n]+)`/, look: 'code', literal: true },
  { pattern: marked('*'), look: 'bold', literal: false },
  { pattern: marked('_'), look: 'italic', literal: false },
  { pattern: marked('~'), look: undefined, literal: false },
];

/** The text without the signs, and what they made of it. */
export function appearance(source: string): { readonly text: string; readonly formatting: readonly Look[] } {
  const formatting: Look[] = [];
  return { text: shown(source, formatting), formatting };
}

function shown(source: string, formatting: Look[]): string {
  for (const { pattern, look, literal } of RULES) {
    const match = pattern.exec(source);
    if (!match) continue;
    const before = shown(source.slice(0, match.index), formatting);
    const inside = literal ? match[1]! : shown(match[1]!, formatting);
    if (look) formatting.push({ look, text: inside });
    return before + inside + shown(source.slice(match.index + match[0].length), formatting);
  }
  return source;
}
