import type { HistoryEntry } from '../../src/protocol/messages.ts';
import type { Batch } from '../../src/storage/journal.ts';
import type { Store } from '../../src/storage/store.ts';
import { type Turn, userEntry } from './turn.ts';

/** Entries kept in memory for the context of the next run; the rest stays on disk. */
const TAIL_MAX = 200;

/** The append-only transcript of one session: numbers new entries, keeps the newest turns in memory. */
export class Transcript {
  readonly #store: Store;
  readonly #session: string;
  #lastSeq: number;
  /** The entries of the newest turns, each turn's together; undefined until a run asks. */
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

  /** What a run of `turn` may look back on, the turn's own message last. */
  before(turn: Turn): HistoryEntry[] {
    this.#tail ??= this.#read(turn.seq);
    return [...this.#tail, userEntry(turn)];
  }

  /** Adds a turn that has ended, and whose `entries` are on the disk. */
  ended(turn: Turn, entries: readonly HistoryEntry[]): void {
    if (this.#tail === undefined) return; // will be read from the disk, these with it
    for (const entry of [userEntry(turn), ...entries]) if (entry.seq > this.#readSeq) this.#tail.push(entry);
    if (this.#tail.length > 2 * TAIL_MAX) this.#tail.splice(0, TAIL_MAX);
  }

  /**
   * The newest entries. Where many messages wait, the newest are those, and so the ones before `seq` are read as well;
   * answers to earlier messages may stand behind it.
   */
  #read(seq: number): HistoryEntry[] {
    const newest = this.#store.entriesBefore(this.#session, Number.MAX_SAFE_INTEGER, TAIL_MAX);
    const first = newest[0]?.seq ?? 0;
    this.#readSeq = newest.at(-1)?.seq ?? 0;
    return first <= seq
      ? newest
      : [...this.#store.entriesBefore(this.#session, Math.min(seq, first), TAIL_MAX), ...newest];
  }
}
