import type { ThinkingLevel } from '../protocol/messages.ts';
import { type AssembledContext, assemble, type ContextSizes, totalOf } from './assembly.ts';
import type { Calibration, Refused } from './calibration.ts';
import { type History, NO_HISTORY } from './context.ts';
import { type ContextWindow, contextWindowOf, sharesOf } from './context-window.ts';
import type { ResolvedModel } from './failover.ts';
import { TokenMeter } from './meter.ts';
import type { ModelMessage, ToolDescription } from './provider.ts';
import { estimateTokens, type TokenFamily, tokenFamilyOf } from './tokens.ts';

/** What a request holds, and how much that is. All tokens are corrected by what the model's API has reported. */
export interface SentContext extends AssembledContext {
  reference: string;
  family: TokenFamily;
  tools: readonly ToolDescription[];
  window: ContextWindow;
  /** What may be sent. */
  room: number;
  /** What is sent. */
  tokens: number;
  /** Kept for the answer. */
  answerTokens: number;
  /** What is sent, before the correction. */
  estimated: number;
}

export interface Packed {
  system: string;
  messages: readonly ModelMessage[];
  history?: History | undefined;
  recalled?: string | undefined;
  tools: { readonly descriptions: readonly ToolDescription[] };
  outputTokensMax: number;
}

/** Puts the requests of one run together, for whichever model is asked. */
export class Packer {
  readonly #packed: Packed;
  readonly #calibration: Calibration;
  #meter: TokenMeter | undefined;
  #systemTokens = 0;

  constructor(packed: Packed, calibration: Calibration) {
    this.#packed = packed;
    this.#calibration = calibration;
  }

  /** What fits into the window of `model`. Throws `ContextOverflow` where not even the least does. */
  pack(model: ResolvedModel, added: readonly ModelMessage[], thinking: ThinkingLevel): SentContext {
    const { messages: said, history = NO_HISTORY, recalled, tools, outputTokensMax } = this.#packed;
    const { reference } = model;
    const ratio = this.#calibration.ratioOf(reference);
    const window = this.#calibration.windowOf(reference, model.window ?? contextWindowOf(model.name, undefined));
    const { room, answer } = sharesOf(window.tokens, outputTokensMax, thinking);
    const meter = this.#meterOf(model);
    const { descriptions } = tools;
    const toolTokens = toolTokensOf(descriptions, meter);
    const parts = { systemTokens: this.#systemTokens, toolTokens, history, recalled, said, added };
    const assembled = assemble(parts, Math.floor(room / ratio), meter);
    const estimated = totalOf(assembled.sizes);
    const tokens = Math.ceil(estimated * ratio);
    const sizes = corrected(assembled.sizes, ratio);
    return {
      ...assembled,
      sizes,
      reference,
      family: meter.family,
      tools: descriptions,
      window,
      room,
      tokens,
      answerTokens: answer,
      estimated,
    };
  }

  /** The API has reported how many tokens the request had. */
  learn({ reference, estimated }: SentContext, inputTokens: number): void {
    this.#calibration.learn(reference, estimated, inputTokens);
  }

  refused({ reference, estimated, answerTokens }: SentContext, refused: Refused): void {
    this.#calibration.refused(reference, estimated, answerTokens, refused);
  }

  #meterOf({ name }: ResolvedModel): TokenMeter {
    const family = tokenFamilyOf(name);
    if (this.#meter?.family === family) return this.#meter;
    this.#meter = new TokenMeter(family);
    this.#systemTokens = this.#meter.text(this.#packed.system);
    return this.#meter;
  }
}

/** By the array, which stays the same while an agent's tools do. */
const toolTokens = new WeakMap<readonly ToolDescription[], { family: TokenFamily; tokens: number }>();

function toolTokensOf(tools: readonly ToolDescription[], { family }: TokenMeter): number {
  if (tools.length === 0) return 0;
  let counted = toolTokens.get(tools);
  if (counted?.family !== family) {
    counted = { family, tokens: estimateTokens(JSON.stringify(tools), family) };
    toolTokens.set(tools, counted);
  }
  return counted.tokens;
}

function corrected(sizes: ContextSizes, ratio: number): ContextSizes {
  const { system, tools, memory, summary, turns, results } = sizes;
  const real = (tokens: number) => Math.ceil(tokens * ratio);
  return {
    system: real(system),
    tools: real(tools),
    memory: real(memory),
    summary: real(summary),
    turns: real(turns),
    results: real(results),
  };
}
