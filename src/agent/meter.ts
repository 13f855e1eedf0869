import type { PastTurn, TurnTokens } from './context.ts';
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

  turn(turn: PastTurn): TurnTokens {
    if (turn.counted?.family !== this.family) turn.counted = countTurn(turn.messages, this.family);
    return turn.counted;
  }

  /** The same of all turns together. They may grow between two calls, and the array be another, but not the turns change. */
  turns(turns: readonly PastTurn[]): TurnsTokens {
    let sum = sums.get(turns);
    if (sum?.family !== this.family) {
      sum = { family: this.family, count: 0, results: 0, rest: 0, images: 0 };
      sums.set(turns, sum);
    }
    for (; sum.count < turns.length; sum.count += 1) {
      const { results, rest, images } = this.turn(turns[sum.count] as PastTurn);
      sum.results += results;
      sum.rest += rest;
      sum.images += images;
    }
    return sum;
  }
}

type TurnsTokens = Omit<TurnTokens, 'each'> & { count: number };

/** By the array, to which a session adds its turns as they end: a hundred of them are not added up for every request. */
const sums = new WeakMap<readonly PastTurn[], TurnsTokens>();

function countTurn(messages: readonly ModelMessage[], family: TokenFamily): TurnTokens {
  const each = messages.map((message) => messageTokens(message, family));
  let [results, rest, images] = [0, 0, 0];
  for (const [index, message] of messages.entries()) {
    if (message.role === 'tool') results += each[index] as number;
    else rest += each[index] as number;
    if (message.role === 'user') images += message.stored?.length ?? 0;
  }
  return { family, each, results, rest, images };
}
