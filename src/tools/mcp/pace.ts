/** Messages of one server in a second: one that is asked 32 things at a time and reports its progress has some hundred. */
export const MESSAGES_PER_SECOND_MAX = 1_000;
/** Bytes of one server in a second. */
export const BYTES_PER_SECOND_MAX = 32 * 1024 ** 2;
const WINDOW_MS = 1_000;

/** Counts what a server sends: one that floods us is as good as one that hangs, and takes the others along. */
export class Pace {
  #windowEnd = 0;
  #messages = 0;
  #bytes = 0;

  /** Throws when it is too much for a second. */
  count(messages: number, bytes: number, nowMs = performance.now()): void {
    if (nowMs >= this.#windowEnd) {
      this.#windowEnd = nowMs + WINDOW_MS;
      this.#messages = 0;
      this.#bytes = 0;
    }
    this.#messages += messages;
    this.#bytes += bytes;
    if (this.#messages > MESSAGES_PER_SECOND_MAX) {
      throw new Error(`it sent more than ${MESSAGES_PER_SECOND_MAX} messages in a second`);
    }
    if (this.#bytes > BYTES_PER_SECOND_MAX) {
      throw new Error(`it sent more than ${BYTES_PER_SECOND_MAX} bytes in a second`);
    }
  }
}
