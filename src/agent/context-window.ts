/**
 * How much a model can look at, in tokens, and what of that a request may use. Vendors say it in their documentation and
 * not in their APIs, so a table of families stands here; the configuration (`models.contextTokens`) overrides it, and what
 * an API says when it refuses a request corrects it (`calibration.ts`).
 */
import type { ThinkingLevel } from '../protocol/messages.ts';

/** Of a model nobody knows: what nearly every model of today takes, and small enough for a home server's. */
export const CONTEXT_TOKENS_DEFAULT = 32_768;

/** Window of a model, and who says so. */
export interface ContextWindow {
  tokens: number;
  source: 'configured' | 'known' | 'default' | 'refused';
}

/** Tokens for thinking at each level; Anthropic's least is 1,024. They count towards the window. */
export const THINKING_BUDGETS = { low: 1_024, medium: 4_096, high: 16_384 } as const;

/** The answer's part of a window is never more than this share: the rest is for what is answered. */
const ANSWER_SHARE_MAX = 0.5;
/** Of what may be sent, kept free: tokens are estimated. */
const UNCERTAINTY_SHARE = 0.05;

/**
 * By the beginning of a model's name, without a vendor before a slash; the longest that fits counts. What a family's
 * smallest current member takes, where members differ.
 */
const FAMILIES: readonly (readonly [prefix: string, tokens: number])[] = [
  ['claude', 200_000],
  ['gpt-', 128_000],
  ['gpt-3.5', 16_385],
  ['gpt-4', 8_192],
  ['gpt-4-turbo', 128_000],
  ['gpt-4-1106', 128_000],
  ['gpt-4-0125', 128_000],
  ['gpt-4.1', 1_047_576],
  ['gpt-4.5', 128_000],
  ['gpt-4o', 128_000],
  ['gpt-5', 272_000],
  ['gpt-6', 272_000],
  ['gpt-oss', 131_072],
  ['chatgpt-4o', 128_000],
  ['o1', 200_000],
  ['o1-mini', 128_000],
  ['o3', 200_000],
  ['o4', 200_000],
  ['gemini', 1_048_576],
  ['gemma', 8_192],
  ['gemma-3', 131_072],
  ['gemma3', 131_072],
  ['llama-3.1', 131_072],
  ['llama3.1', 131_072],
  ['llama-3.2', 131_072],
  ['llama3.2', 131_072],
  ['llama-3.3', 131_072],
  ['llama3.3', 131_072],
  ['llama-4', 131_072],
  ['llama4', 131_072],
  ['llama-3', 8_192],
  ['llama3', 8_192],
  ['llama-2', 4_096],
  ['llama2', 4_096],
  ['mistral', 32_768],
  ['mistral-large', 131_072],
  ['mistral-small3', 131_072],
  ['mixtral', 32_768],
  ['ministral', 131_072],
  ['qwen', 32_768],
  ['qwen3-coder', 262_144],
  ['deepseek', 65_536],
  ['grok', 131_072],
  ['command-r', 131_072],
  ['kimi-k2', 131_072],
  ['glm-4', 131_072],
  ['offline', 1_000_000], // it has no window: the longest message there may be fits
];

/** The window of a model by its name at its provider; `configured`: what the configuration says of it. */
export function contextWindowOf(model: string, configured: number | undefined): ContextWindow {
  if (configured !== undefined) return { tokens: configured, source: 'configured' };
  const name = model.slice(model.lastIndexOf('/') + 1).toLowerCase();
  let found: readonly [string, number] | undefined;
  for (const family of FAMILIES) {
    if (name.startsWith(family[0]) && family[0].length > (found?.[0].length ?? 0)) found = family;
  }
  return found === undefined
    ? { tokens: CONTEXT_TOKENS_DEFAULT, source: 'default' }
    : { tokens: found[1], source: 'known' };
}

/** How a window is shared out, in tokens. */
export interface WindowShares {
  /** For all that is sent. */
  room: number;
  /** For the answer. */
  answer: number;
}

/** Keeps room for the answer of `outputTokensMax` tokens and the thinking before it. */
export function sharesOf(windowTokens: number, outputTokensMax: number, thinking: ThinkingLevel): WindowShares {
  const most = Math.floor(windowTokens * ANSWER_SHARE_MAX);
  const answer = Math.min(outputTokensMax, most);
  const thought = thinking === 'off' ? 0 : Math.min(THINKING_BUDGETS[thinking], most - answer);
  return { room: Math.floor((windowTokens - answer - thought) * (1 - UNCERTAINTY_SHARE)), answer };
}
