import type { PastTurn } from './context.ts';
import type { ModelMessage } from './provider.ts';
import { estimateTokens, messageTokens, type TokenFamily } from './tokens.ts';

/**
 * Estimated tokens of messages, each counted once: those of past turns with the turn, for as long as the session has it;
 * others for as long as the meter lives, which is a run.
 */
export class TokenMeter {
  readonly family: TokenFamily;
  readonly #counted = new WeakMap<ModelMessage, number>();

  constructor(family: TokenFamily) {
    this.family = family;
  }

  text(text: string): number {
    return estimateTokens(text, this.family);
  }

  message(message: ModelMessage): number {
    let tokens = this.#counted.get(message);
    if (tokens === undefined) {
      tokens = messageTokens(message, this.family);
      this.#counted.set(message, tokens);
    }
    return tokens;
  }

  /** Tokens of each message of the turn. */
  turn(turn: PastTurn): readonly number[] {
    if (turn.counted?.family !== this.family) {
      const tokens = turn.messages.map((message) => messageTokens(message, this.family));
      turn.counted = { family: this.family, tokens };
    }
    return turn.counted.tokens;
  }
}
