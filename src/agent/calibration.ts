/**
 * What the model APIs have told one session about tokens: how far the estimate is off for what is said here, and how large
 * a window is that refused a request. In memory only: a session that comes back learns it anew with its first answer.
 */
import type { ContextWindow } from './context-window.ts';

/** Models remembered at a time: those of a session's line, and some it had before. */
const MODELS_MAX = 8;
/** How much one answer counts against those before it. */
const NEWEST_WEIGHT = 0.5;
/** Beyond these a report says nothing of the estimate: the server has cut the request, or counts nothing. */
const RATIO_MIN = 0.4;
const RATIO_MAX = 4;
/** A shorter request, in tokens, is mostly what a vendor adds by itself. */
const LEARNED_TOKENS_MIN = 200;
/** What is left of the size that was refused, where the API does not say how much it takes. */
const REFUSED_SHARE = 0.6;

/** What an API says as it refuses a request for its length; undefined: it does not. */
export interface Refused {
  /** Tokens the request had, and how many there may be. */
  promptTokens?: number | undefined;
  limitTokens?: number | undefined;
}

interface Learned {
  ratio: number;
  /** Undefined: none was refused. */
  windowTokens?: number;
}

export class Calibration {
  readonly #models = new Map<string, Learned>();

  /** Real tokens for one that is estimated. */
  ratioOf(reference: string): number {
    return this.#models.get(reference)?.ratio ?? 1;
  }

  /** The window as it is known to be: `window`, or less. */
  windowOf(reference: string, window: ContextWindow): ContextWindow {
    const tokens = this.#models.get(reference)?.windowTokens;
    return tokens === undefined || tokens >= window.tokens ? window : { tokens, source: 'refused' };
  }

  /** A request estimated at `estimated` tokens had `actual`. */
  learn(reference: string, estimated: number, actual: number): void {
    const ratio = actual / estimated;
    if (estimated < LEARNED_TOKENS_MIN || ratio < RATIO_MIN || ratio > RATIO_MAX) return;
    const before = this.#models.get(reference);
    this.#keep(reference, {
      ...before,
      ratio: before === undefined ? ratio : before.ratio + NEWEST_WEIGHT * (ratio - before.ratio),
    });
  }

  /**
   * A request estimated at `estimated` tokens, with room for `answer` more, was refused: from now on less is taken for
   * granted.
   */
  refused(reference: string, estimated: number, answer: number, { promptTokens, limitTokens }: Refused): void {
    const ratio = this.ratioOf(reference);
    const sent = estimated * ratio + answer;
    const told = promptTokens === undefined ? ratio : promptTokens / estimated;
    const counted = told > ratio && told <= RATIO_MAX;
    // Neither a smaller window nor more tokens than were thought explains it: then the window is not what anybody says.
    const explained = counted || (limitTokens !== undefined && limitTokens < sent);
    const windowTokens = explained ? limitTokens : Math.floor(Math.min(sent, limitTokens ?? sent) * REFUSED_SHARE);
    this.#keep(reference, {
      ...this.#models.get(reference),
      ratio: counted ? told : ratio,
      ...(windowTokens === undefined ? {} : { windowTokens }),
    });
  }

  #keep(reference: string, learned: Learned): void {
    this.#models.delete(reference);
    this.#models.set(reference, learned);
    if (this.#models.size <= MODELS_MAX) return;
    for (const oldest of this.#models.keys()) {
      this.#models.delete(oldest);
      return;
    }
  }
}
