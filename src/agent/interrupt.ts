import { DhaavakError } from '../protocol/errors.ts';

/**
 * Everything that may end a run from outside: its signal, and the silence of its model. Waiting through it ends at once
 * when that happens, whether or not what is waited for takes notice; {@link signal} tells it to. Silence ends only the
 * wait and the request to that model: the run may ask another.
 *
 * One timer and one listener a run, and one promise a wait: a `Promise.race` against a lasting promise would keep a
 * reaction on it for every event of the model.
 */
export class Interrupt {
  readonly #cause: AbortSignal;
  readonly #stallMs: number;
  #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  /** Whether the model is being waited for: a tool or a slow consumer is no stall. */
  #stallable = false;
  /** Of the wait going on. Rejecting one that is over does nothing. */
  #reject: ((reason: unknown) => void) | undefined;

  /** `stallMs`: longest silence of the model, in milliseconds. */
  constructor(cause: AbortSignal, stallMs: number) {
    this.#cause = cause;
    this.#stallMs = stallMs;
    cause.addEventListener('abort', this.#onCause, { once: true });
    if (cause.aborted) this.#onCause();
  }

  /** For the next request to a model, or the tools: aborts with the run, and when that model stalls. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get cancelled(): boolean {
    return this.#cause.aborted;
  }

  /** Throws if the run is over. */
  check(): void {
    this.#controller.signal.throwIfAborted();
  }

  /** `work`, or the reason as soon as the run is over. */
  wait<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.signal.aborted) reject(this.signal.reason);
      else this.#reject = reject;
      work.then(
        (value) => {
          this.#stallable = false;
          resolve(value);
        },
        (error: unknown) => {
          this.#stallable = false;
          reject(error);
        },
      );
    });
  }

  /** The same for the model's next event, which has `stallMs` to come. */
  waitForModel<T>(work: Promise<T>): Promise<T> {
    this.#stallable = true;
    if (this.#timer) this.#timer.refresh();
    else this.#timer = setTimeout(this.#onTimer, this.#stallMs);
    return this.wait(work);
  }

  /** Ends the run for everything that listens to {@link signal}. Only the first reason counts. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
    this.#reject?.(reason);
  }

  /** To be called when the run is over. */
  dispose(): void {
    clearTimeout(this.#timer);
    this.#cause.removeEventListener('abort', this.#onCause);
  }

  readonly #onCause = (): void => this.abort(this.#cause.reason);

  readonly #onTimer = (): void => {
    if (!this.#stallable) return;
    const stalled = new DhaavakError('model_stalled', `the model sent nothing for ${this.#stallMs / 1000} s`);
    const silent = this.#controller;
    this.#controller = new AbortController();
    silent.abort(stalled);
    this.#reject?.(stalled);
  };
}
