import type { HistoryEntry } from '../../src/protocol/messages.ts';
import type { Batch } from '../../src/storage/journal.ts';
import type { Store } from '../../src/storage/store.ts';

/** Entries kept in memory for the context of the next run; the rest stays on disk. */
const TAIL_MAX = 200;

/** The append-only transcript of one session: numbers new entries, keeps the newest in memory. */
export class Transcript {
  readonly #store: Store;
  readonly #session: string;
  #lastSeq: number;
  #tail: HistoryEntry[] | undefined;
  /** The highest number that was on the disk when the tail was read. */
  #readSeq = 0;

  constructor(store: Store, session: string) {
    this.#store = store;
    this.#session = session;
    this.#lastSeq = store.lastSeq(session);
  }

  /** Gives the next number, to be written at once: the journal keeps the order. A gap after a failure is no harm. */
  number(): number {
    return ++this.#lastSeq;
  }

  write(batch: Batch, entry: HistoryEntry): void {
    batch.put(this.#store.entries, [this.#session, entry.seq], entry);
  }

  /** Adds an entry that is on the disk to the tail, in order of `seq`. */
  written(entry: HistoryEntry): void {
    if (this.#tail === undefined || entry.seq <= this.#readSeq) return; // read from the disk, or will be
    this.#tail.push(entry);
    if (this.#tail.length > 2 * TAIL_MAX) this.#tail.splice(0, TAIL_MAX);
  }

  /** The newest entries, oldest first. */
  tail(): readonly HistoryEntry[] {
    if (this.#tail === undefined) {
      this.#tail = this.#store.entriesBefore(this.#session, Number.MAX_SAFE_INTEGER, TAIL_MAX);
      this.#readSeq = this.#tail.at(-1)?.seq ?? 0;
    }
    return this.#tail;
  }

  entry(seq: number): HistoryEntry | undefined {
    return this.#store.entries.get([this.#session, seq]);
  }
}
