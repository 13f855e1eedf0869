/**
 * How many tokens a text is, without a tokenizer: its tables are 70 MB of heap, and this runs on a shard's thread. A text
 * is looked at by kinds of characters, and each kind weighs what it does on average in the tokenizer of the model's
 * family. `docs/context.md` says how far off that is; what an API reports corrects it (`calibration.ts`).
 */
import type { ModelMessage } from './provider.ts';

/** Tokenizers that differ enough to be weighed apart. */
export type TokenFamily = 'o200k' | 'cl100k' | 'claude' | 'open';

/** What a message costs besides its text, in tokens: its role and the syntax around it; a tool call besides its name and input. */
const MESSAGE_TOKENS = 4;
const CALL_TOKENS = 8;
/** What stands for an image that is not sent. */
const NOTE_TOKENS = 8;
/** One image, at the size vendors scale large ones down to. */
export const IMAGE_TOKENS = 1_600;

/**
 * A longer text is counted in samples, in UTF-16 code units, evenly spread: counting 16 Ki takes some 0.1 ms, and a message
 * may have 256 Ki.
 */
const WHOLE_LENGTH_MAX = 16_384;
const SAMPLES = 16;
const SAMPLE_LENGTH = WHOLE_LENGTH_MAX / SAMPLES;

/** The kinds of characters, as places in the arrays of weights. */
const KIND = {
  /** A run of letters, cut before a capital. */
  word: 0,
  /** Letters of a run beyond {@link WORD_LENGTH}. */
  longWord: 1,
  /** Up to three digits. */
  digits: 2,
  /** A run of other ASCII characters, and those in it after the first. */
  signs: 3,
  moreSigns: 4,
  /** A line's end, or more than one space. */
  gap: 5,
  latin: 6,
  cyrillic: 7,
  semitic: 8,
  indic: 9,
  southEastAsian: 10,
  han: 11,
  kana: 12,
  hangul: 13,
  /** Emoji and all else beyond the basic plane, by the half. */
  surrogate: 14,
  other: 15,
} as const;
const KINDS = 16;
const WORD_LENGTH = 6;

/**
 * Tokens a kind costs. Of `o200k` and `cl100k` fitted to OpenAI's tokenizers of these names. Anthropic publishes no
 * tokenizer for its current models, and open models have many: their weights are those of a neighbour, made heavier, so that
 * the first request of a session errs on the safe side.
 */
const WEIGHTS: Readonly<Record<TokenFamily, readonly number[]>> = {
  o200k: [0.9, 0.5, 1.4, 0.97, 0.1, 0.5, 0.5, 0.33, 0.42, 0.4, 0.45, 0.86, 0.62, 0.69, 0.97, 1.05],
  cl100k: [0.9, 0.55, 1.4, 0.95, 0.1, 0.5, 1.1, 0.55, 0.95, 1.44, 1.3, 1.15, 0.99, 1.09, 1.16, 1.9],
  claude: [1.05, 0.6, 1.6, 1.1, 0.15, 0.6, 1, 0.6, 1, 1.4, 1.4, 1.25, 1.1, 1.2, 1.3, 2],
  open: [1, 0.6, 1.8, 1.05, 0.15, 0.6, 1, 0.55, 0.9, 1.2, 1.2, 1.1, 1, 1.1, 1.3, 1.9],
};

/** The family of a model, by its name at its provider, with or without a vendor before a slash. */
export function tokenFamilyOf(model: string): TokenFamily {
  const name = model.slice(model.lastIndexOf('/') + 1).toLowerCase();
  if (name.startsWith('claude')) return 'claude';
  if (/^gpt-(3|4(?!o|\.))/.test(name)) return 'cl100k';
  return /^(gpt|chatgpt|o\d)/.test(name) ? 'o200k' : 'open';
}

/** Tokens of `text`, about. At most 0.5 ms, whatever its length. */
export function estimateTokens(text: string, family: TokenFamily): number {
  const { length } = text;
  if (length <= WHOLE_LENGTH_MAX) return weigh(kindsIn(text, 0, length), family);
  let sampled = 0;
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const start = Math.floor((sample * (length - SAMPLE_LENGTH)) / (SAMPLES - 1));
    sampled += weigh(kindsIn(text, start, start + SAMPLE_LENGTH), family);
  }
  return Math.ceil((sampled * length) / WHOLE_LENGTH_MAX);
}

/** Tokens of a message, about; of its images only the notes that may stand for them. */
export function messageTokens(message: ModelMessage, family: TokenFamily): number {
  let tokens = MESSAGE_TOKENS + estimateTokens(message.text, family);
  if (message.role === 'user') return tokens + (message.stored?.length ?? 0) * NOTE_TOKENS;
  if (message.role === 'tool') return tokens;
  for (const { name, input } of message.toolCalls) {
    tokens += CALL_TOKENS + estimateTokens(`${name} ${JSON.stringify(input) ?? ''}`, family);
  }
  return tokens;
}

function weigh(counts: Float64Array, family: TokenFamily): number {
  const weights = WEIGHTS[family];
  let tokens = 0;
  for (let kind = 0; kind < KINDS; kind += 1) tokens += (counts[kind] as number) * (weights[kind] as number);
  return Math.ceil(tokens);
}

/** How often each kind is in `text` from `start` up to `end`. */
function kindsIn(text: string, start: number, end: number): Float64Array {
  const counts = new Float64Array(KINDS);
  let index = start;
  while (index < end) {
    const code = text.charCodeAt(index);
    if (isLetter(code)) {
      const from = index;
      index += 1;
      // A run of capitals is one word, and so is a capital with what follows it.
      while (index < end && isSmall(text.charCodeAt(index))) index += 1;
      if (index === from + 1) while (index < end && isCapital(text.charCodeAt(index))) index += 1;
      counts[KIND.word]! += 1;
      counts[KIND.longWord]! += Math.max(0, index - from - WORD_LENGTH);
    } else if (isDigit(code)) {
      const from = index;
      while (index < end && isDigit(text.charCodeAt(index))) index += 1;
      counts[KIND.digits]! += Math.ceil((index - from) / 3);
    } else if (code <= 32) {
      const from = index;
      let lines = false;
      while (index < end && text.charCodeAt(index) <= 32) {
        lines ||= text.charCodeAt(index) !== 32;
        index += 1;
      }
      if (lines || index - from > 1) counts[KIND.gap]! += 1;
    } else if (code < 128) {
      const from = index;
      while (index < end && isSign(text.charCodeAt(index))) index += 1;
      counts[KIND.signs]! += 1;
      counts[KIND.moreSigns]! += index - from - 1;
    } else {
      counts[kindOf(code)]! += 1;
      index += 1;
    }
  }
  return counts;
}

function isSmall(code: number): boolean {
  return code >= 97 && code <= 122;
}

function isCapital(code: number): boolean {
  return code >= 65 && code <= 90;
}

function isLetter(code: number): boolean {
  return isSmall(code) || isCapital(code);
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isSign(code: number): boolean {
  return code > 32 && code < 128 && !isLetter(code) && !isDigit(code);
}

/** Of a character that is not ASCII. */
function kindOf(code: number): number {
  if (code < 0x250 || (code >= 0x1e00 && code < 0x1f00)) return KIND.latin;
  if (code >= 0x370 && code < 0x590) return KIND.cyrillic;
  if (code >= 0x590 && code < 0x900) return KIND.semitic;
  if (code >= 0x900 && code < 0xe00) return KIND.indic;
  if ((code >= 0xe00 && code < 0x1100) || (code >= 0x1780 && code < 0x1800)) return KIND.southEastAsian;
  if (code >= 0x3040 && code < 0x3100) return KIND.kana;
  if (code >= 0x3400 && code < 0xa000) return KIND.han;
  if (code >= 0xac00 && code < 0xd7b0) return KIND.hangul;
  if (code >= 0xd800 && code < 0xe000) return KIND.surrogate;
  return KIND.other;
}
