import { AT_ONCE_MS, type LiveAnswerOptions } from './display.ts';

/** Typing is shown for this long without a sign of life of the answer: a run that nobody ends must not type for ever. */
const SILENCE_MAX_MS = 600_000;
/** The indicator is renewed before it goes out, by a quarter of its time, but not by more than this. */
const AHEAD_MAX_MS = 1_000;

/** Keeps up the typing indicator of a chat until it is stopped; an answer that comes at once is done without. */
export class Typing {
  readonly #options: LiveAnswerOptions;
  readonly #everyMs: number;
  #aliveAt: number;
  #timer: ReturnType<LiveAnswerOptions['clock']['setTimeout']> | undefined;
  #stopped = false;

  constructor(options: LiveAnswerOptions) {
    this.#options = options;
    const { typingMs } = options.adapter.capabilities;
    this.#everyMs = typingMs - Math.min(typingMs / 4, AHEAD_MAX_MS);
    this.#aliveAt = options.clock.elapsed();
    this.#timer = options.clock.setTimeout(() => this.#show(), AT_ONCE_MS);
  }

  keepUp(): void {
    this.#aliveAt = this.#options.clock.elapsed();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
  }

  #show(): void {
    const { adapter, chat, clock, signal } = this.#options;
    const silentMs = clock.elapsed() - this.#aliveAt;
    if (this.#stopped || signal.aborted || adapter.typing === undefined || this.#everyMs <= 0) return;
    if (silentMs >= SILENCE_MAX_MS) return;
    void adapter.typing(chat);
    this.#timer = clock.setTimeout(() => this.#show(), this.#everyMs);
  }
}
