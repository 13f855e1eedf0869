/** One message of a session and the run that answers it. */
export interface Turn {
  /** The message's id; unique over all sessions. */
  readonly message: string;
  readonly text: string;
  readonly idempotencyKey: string | undefined;
  /** Its number in the transcript; 0 until it is accepted. */
  seq: number;
  /** Told once the message is on the disk, before any of its events. `queued`: turns that run before it. */
  acknowledge: ((queued: number) => void) | undefined;
}

/** Thrown by accept for an idempotency key that was used before: nothing is accepted, `original` is the first one. */
export class DuplicateMessage extends Error {
  override readonly name = 'DuplicateMessage';
  readonly original: string;

  constructor(original: string) {
    super(`the idempotency key belongs to message ${original}`);
    this.original = original;
  }
}
