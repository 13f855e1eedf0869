import type { Session } from '../../src/protocol/messages.ts';
import type { Write } from '../../src/storage/journal.ts';
import type { Store } from '../../src/storage/store.ts';
import type { Transcript } from './transcript.ts';
import { type Turn, userEntry } from './turn.ts';

/** The messages one session has accepted and not finished, on the disk; each idempotency key makes one of them. */
export class Inbox {
  readonly #store: Store;
  readonly #session: string;
  readonly #transcript: Transcript;
  /** Keys whose messages are on their way to the disk, where they can't be read yet. */
  #arriving: Map<string, { message: string; kept: Promise<void> }> | undefined;

  constructor(store: Store, session: string, transcript: Transcript) {
    this.#store = store;
    this.#session = session;
    this.#transcript = transcript;
  }

  /**
   * The message that `key` was used for, if it was; it is safe when `kept` resolves. Not async, on purpose: whoever finds
   * the key free must call {@link write} before anything else runs, or two messages would find it free.
   */
  original(key: string): { message: string; kept: Promise<void> } | undefined {
    const arriving = this.#arriving?.get(key);
    if (arriving !== undefined) return arriving;
    const message = this.#store.keys.get([this.#session, key]);
    return message === undefined ? undefined : { message, kept: Promise.resolve() };
  }

  /** Remembers the key of a message that is no turn, together with what `also` writes. */
  claim(key: string, message: string, also?: Write): Promise<void> {
    return this.#store.journal.commit((batch) => {
      batch.put(this.#store.keys, [this.#session, key], message);
      also?.(batch);
    });
  }

  /** Writes the turn's message, and with the first message of a session `unkept`, the session itself. */
  async write(turn: Turn, unkept: Session | undefined): Promise<void> {
    const { inbox, journal, keys, sessions } = this.#store;
    const { idempotencyKey, images, message, otherKeys = [], seq } = turn;
    const kept = journal.commit((batch) => {
      this.#transcript.write(batch, userEntry(turn));
      if (images !== undefined) this.#transcript.writeImages(batch, seq, images);
      batch.put(inbox, [this.#session, seq], message);
      if (idempotencyKey !== undefined) batch.put(keys, [this.#session, idempotencyKey], message);
      for (const key of otherKeys) batch.put(keys, [this.#session, key], message);
      if (unkept !== undefined) batch.put(sessions, this.#session, unkept);
    });
    if (idempotencyKey === undefined) return kept;
    this.#arriving ??= new Map();
    this.#arriving.set(idempotencyKey, { message, kept });
    try {
      await kept;
    } finally {
      this.#arriving.delete(idempotencyKey);
    }
  }
}
