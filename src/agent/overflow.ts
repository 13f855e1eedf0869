/**
 * A request that is too long for its model, as each API says it. Most say only words, with numbers in them; the words are
 * matched whatever the status, since servers of the same protocol send it with 400, 413, 500 or inside a stream.
 */
import { DhaavakError } from '../protocol/errors.ts';
import type { Refused } from './calibration.ts';

/** The context does not fit into the model's window. */
export class ContextOverflow extends DhaavakError {
  /** What the API said about it; undefined: it was not asked, the estimate says so. */
  readonly refused: Refused | undefined;

  constructor(message: string, refused?: Refused, cause?: unknown) {
    super('context_overflow', message, cause === undefined ? {} : { cause });
    this.refused = refused;
  }
}

const SAID = [
  // OpenAI, vLLM, OpenRouter, DeepSeek
  /context_length_exceeded|maximum context length/,
  // OpenAI's newer models
  /input tokens exceed the configured limit|input exceeds the context window/,
  // Anthropic
  /prompt is too long|exceed context limit|request_too_large/,
  // llama.cpp, and Ollama and LM Studio over it
  /exceed_context_size_error|exceeds? the (available |maximum )?context (size|length|window)/,
  /context (size|length|window) (has been )?exceeded|exceed context window|context the overflows|loaded with context length/,
  // Google, Bedrock, Mistral, xAI
  /exceeds the maximum number of tokens|input is too long for|too large for model with \d+ maximum context/,
  /maximum prompt length is/,
];

const PROMPT = [
  /resulted in (?:about )?(\d+) tokens/,
  /"n_prompt_tokens\\?": ?(\d+)/,
  /prompt is too long: (\d+) tokens/,
  /exceed context limit: (\d+) \+/,
  /request \((\d+) tokens\)/,
  /\((\d+) in (?:the messages|your prompt)/,
  /\((\d+) of text input/,
  /has (\d+) input tokens/,
  /requested (?:tokens \()?(?:about )?(\d+)/,
  /prompt contains (\d+) tokens/,
  /input token count \((\d+)\)/,
];

const LIMIT = [
  /maximum context length (?:is|of) (\d+)/,
  /"n_ctx\\?": ?(\d+)/,
  /\d+ tokens > (\d+) maximum/,
  /exceed context limit: \d+ \+ \d+ > (\d+)/,
  /context (?:size|length|window)(?: of(?: only)?)? \(?(\d+)/,
  /configured limit of (\d+)/,
  /maximum prompt length is (\d+)/,
  /with (\d+) maximum context/,
  /maximum number of tokens allowed \((\d+)\)/,
];

/**
 * What `said`, the API's words and whatever else it sent, tells about a request that was too long; undefined when it was
 * refused for another reason. A limit of requests or tokens in a minute (429) is another reason.
 */
export function refusedForLength(status: number | undefined, said: string): Refused | undefined {
  if (status === 429) return undefined;
  const text = said.toLowerCase().replace(/(\d),(?=\d{3}\b)/g, '$1');
  if (!SAID.some((pattern) => pattern.test(text))) return undefined;
  return { promptTokens: numberIn(text, PROMPT), limitTokens: numberIn(text, LIMIT) };
}

function numberIn(text: string, patterns: readonly RegExp[]): number | undefined {
  for (const pattern of patterns) {
    const found = pattern.exec(text)?.[1];
    if (found !== undefined) return Number(found);
  }
  return undefined;
}
