/** Texts that are cut so that a request fits: what is left says so. */
import type { ModelMessage } from './provider.ts';
import { estimateTokens, type TokenFamily } from './tokens.ts';

/** Of what may stay, the part from the beginning; the rest is from the end, where logs and commands tell how it came out. */
const HEAD_SHARE = 0.7;
/** Fewer tokens than this beside the note are not worth reading. */
const KEPT_TOKENS_MIN = 32;
/** A first guess may be too long, because some parts of a text have more tokens than others. */
const TRIES_MAX = 6;

type ToolResult = ModelMessage & { role: 'tool' };

/** The result without its text: a note of how much that was. */
export function leftOut(result: ToolResult): ToolResult {
  const { text, name } = result;
  return {
    ...result,
    text: `[left out to fit the window: ${text.length} characters; call ${name} again if you need them]`,
  };
}

/** The result cut to about `tokensMax` tokens, or to the note where that would be too little to read. */
export function trimmedResult(result: ToolResult, tokensMax: number, family: TokenFamily): ToolResult {
  const text = cutText(result.text, tokensMax, family);
  return text === undefined ? leftOut(result) : { ...result, text };
}

/** The beginning and end of `text`, with a note between them; undefined where hardly anything would be left. */
export function cutText(text: string, tokensMax: number, family: TokenFamily): string | undefined {
  const whole = estimateTokens(text, family);
  if (whole <= tokensMax) return text;
  for (let share = 1, tries = 0; tries < TRIES_MAX; share *= 0.8, tries += 1) {
    const kept = Math.floor((text.length * (tokensMax - KEPT_TOKENS_MIN) * share) / whole);
    if ((tokensMax - KEPT_TOKENS_MIN) * share < KEPT_TOKENS_MIN || kept <= 0) return undefined;
    const head = Math.ceil(kept * HEAD_SHARE);
    const note = `\n[… cut to fit the window: ${text.length - kept} of ${text.length} characters are left out here …]\n`;
    const cut = `${text.slice(0, head)}${note}${text.slice(text.length - (kept - head))}`.toWellFormed();
    if (estimateTokens(cut, family) <= tokensMax) return cut;
  }
  return undefined;
}
