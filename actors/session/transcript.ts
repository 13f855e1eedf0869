import {
  CONTEXT_LENGTH_MAX,
  CONTEXT_TURNS_MAX,
  newestTurns,
  type PastTurn,
  pastTurns,
  userMessage,
} from '../../src/agent/context.ts';
import type { ModelMessage } from '../../src/agent/provider.ts';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import type { Batch } from '../../src/storage/journal.ts';
import type { Store } from '../../src/storage/store.ts';
import { type Turn, userEntry, withJoined } from './turn.ts';

/** Entries read from the disk for the first context: turns of a question and an answer, and as many tool calls again. */
const READ_MAX = 4 * CONTEXT_TURNS_MAX;

/** The append-only transcript of one session: numbers new entries, keeps what the next run may look back on. */
export class Transcript {
  readonly #store: Store;
  readonly #session: string;
  /** The number that was given last. */
  lastSeq: number;
  /** The newest turns that have ended; undefined until a run asks. */
  #past: PastTurn[] | undefined;
  #pastLength = 0;
  /** The newest reset in this life: turns from before it are no context. */
  #resetSeq = 0;

  constructor(store: Store, session: string) {
    this.#store = store;
    this.#session = session;
    this.lastSeq = store.numbers.last(session);
  }

  /** Gives the next number, to be written at once: the journal keeps the order. A gap after a failure is no harm. */
  number(): number {
    return ++this.lastSeq;
  }

  write(batch: Batch, entry: HistoryEntry): void {
    batch.put(this.#store.entries, [this.#session, entry.seq], entry);
  }

  /** Writes the images of the user's entry `seq`, beside the entries: a page of history has none of them to read. */
  writeImages(batch: Batch, seq: number, images: readonly Buffer[]): void {
    for (const [index, image] of images.entries()) batch.put(this.#store.images, [this.#session, seq, index], image);
  }

  /** The turn's message as a model is sent it. */
  messageOf(turn: Turn): ModelMessage {
    return turn.attachments === undefined ? { role: 'user', text: turn.text } : userMessage(turn, this.#readImage);
  }

  #readImage = (seq: number, index: number): Uint8Array | undefined =>
    this.#store.images.get([this.#session, seq, index]);

  /** The turns before `turn`, oldest first. */
  before(turn: Turn): readonly PastTurn[] {
    if (this.#past === undefined) this.#keep(this.#readBefore(turn));
    return this.#past as PastTurn[];
  }

  /** Adds a turn that has ended, and whose `entries` are on the disk. */
  ended(turn: Turn, entries: readonly HistoryEntry[]): void {
    if (turn.seq < this.#resetSeq) return;
    if (this.#past === undefined) return; // will be read from the disk, this one with it
    for (const past of pastTurns([...withJoined(turn).map(userEntry), ...entries], this.#readImage)) {
      this.#past.push(past);
      this.#pastLength += past.length;
    }
    const full = this.#past.length > 2 * CONTEXT_TURNS_MAX || this.#pastLength > 2 * CONTEXT_LENGTH_MAX;
    if (full) this.#keep(newestTurns(this.#past));
  }

  /** The entry that ends the context here, to be written at once; what stands before it is kept but not looked back on. */
  reset(message: string, timestamp: number): HistoryEntry {
    this.#resetSeq = this.number();
    this.#keep([]);
    return { seq: this.#resetSeq, role: 'reset', text: '', timestamp, message };
  }

  /** The session was deleted: there is nothing to look back on. */
  forget(): void {
    this.#keep([]);
  }

  #keep(turns: readonly PastTurn[]): void {
    this.#past = [...turns];
    this.#pastLength = turns.reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * Reads the entries before the turn's own, and the newest: answers to earlier messages stand behind it when they were
   * written while it waited.
   */
  #readBefore({ seq, message }: Turn): readonly PastTurn[] {
    const newest = this.#store.entriesBefore(this.#session, Number.MAX_SAFE_INTEGER, READ_MAX);
    const first = newest[0]?.seq ?? 0;
    const older = first > seq ? this.#store.entriesBefore(this.#session, seq + 1, READ_MAX) : [];
    const read = [...older, ...newest];
    const reset = read.findLast(({ role }) => role === 'reset')?.seq ?? 0;
    const kept = read.filter((entry) => entry.seq > reset || entry.message === message);
    const turns = pastTurns(kept, this.#readImage);
    const current = turns.findIndex((turn) => turn.message === message);
    return newestTurns(current < 0 ? turns : turns.slice(0, current));
  }
}
