import { summaryTurn } from '../../src/agent/compaction.ts';
import {
  HISTORY_LENGTH_MAX,
  HISTORY_MESSAGES_MAX,
  HISTORY_TURNS_MAX,
  type History,
  type ImageReader,
  newestTurns,
  type PastTurn,
  pastTurns,
  userMessage,
} from '../../src/agent/context.ts';
import type { ModelMessage } from '../../src/agent/provider.ts';
import type { MemoryNews } from '../../src/memory/news.ts';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import type { Batch } from '../../src/storage/journal.ts';
import type { EntryKey, Store } from '../../src/storage/store.ts';
import { type Turn, userEntry, withJoined } from './turn.ts';

/** Entries read from the disk for the first context. */
const READ_MAX = HISTORY_MESSAGES_MAX;

/** Of a message that is shown in part, in UTF-16 code units. */
const BEGINNING_LENGTH = 160;

function beginningOf(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= BEGINNING_LENGTH ? line : `${line.slice(0, BEGINNING_LENGTH)} […]`;
}

/** The append-only transcript of one session: numbers new entries, keeps what the next run may look back on. */
export class Transcript {
  readonly #store: Store;
  readonly #session: string;
  /** The number that was given last. */
  lastSeq: number;
  /** The newest turns that have ended; undefined until a run asks. */
  #past: PastTurn[] | undefined;
  #pastLength = 0;
  /** What stands for the turns before those. */
  #summary: PastTurn | undefined;
  /** The newest reset in this life: turns from before it are no context. */
  #resetSeq = 0;
  /** Told of every entry that is given to the journal. */
  readonly #news: Pick<MemoryNews, 'session'> | undefined;

  constructor(store: Store, session: string, news?: Pick<MemoryNews, 'session'>) {
    this.#store = store;
    this.#session = session;
    this.#news = news;
    this.lastSeq = store.numbers.last(session);
  }

  /** Gives the next number, to be written at once: the journal keeps the order. A gap after a failure is no harm. */
  number(): number {
    return ++this.lastSeq;
  }

  write(batch: Batch, entry: HistoryEntry): void {
    batch.put(this.#store.entries, [this.#session, entry.seq], entry);
    this.#news?.session(this.#session);
  }

  /** Writes the images of the user's entry `seq`, beside the entries: a page of history has none of them to read. */
  writeImages(batch: Batch, seq: number, images: readonly Buffer[]): void {
    for (const [index, image] of images.entries()) batch.put(this.#store.images, [this.#session, seq, index], image);
  }

  /** The turn's message as a model is sent it. */
  messageOf(turn: Turn): ModelMessage {
    if (!turn.abridged) return userMessage(turn, this.#readImage);
    return userMessage({ ...turn, text: beginningOf(turn.text), attachments: undefined }, this.#readImage);
  }

  /** Made anew each time: most sessions in memory never need it. */
  get #readImage(): ImageReader {
    return (seq, index) => this.#store.images.get([this.#session, seq, index]);
  }

  /** What was said before `turn`. */
  before(turn: Turn): History {
    if (this.#past === undefined) this.#read(turn);
    return { summary: this.#summary, turns: this.#past as PastTurn[] };
  }

  /** What a model is not sent with the turn: whether there is anything before the first entry it is, and the turns it is. */
  horizon(turn: Turn): { beforeSeq: number; hasOlder: boolean; messages: ReadonlySet<string> } {
    const { turns } = this.before(turn);
    const beforeSeq = turns[0]?.seq ?? turn.seq;
    const older = { start: [this.#session, 0] as EntryKey, end: [this.#session, beforeSeq] as EntryKey, limit: 1 };
    const hasOlder = beforeSeq > 1 && this.#store.entries.getKeysCount(older) > 0;
    return {
      beforeSeq,
      hasOlder,
      // Few messages have anything to be recalled for them.
      get messages() {
        return new Set(turns.map(({ message }) => message));
      },
    };
  }

  /** Adds a turn that has ended, and whose `entries` are on the disk. */
  ended(turn: Turn, entries: readonly HistoryEntry[]): void {
    if (turn.seq < this.#resetSeq) return;
    if (this.#past === undefined) return; // will be read from the disk, this one with it
    for (const past of pastTurns([...withJoined(turn).map(userEntry), ...entries], this.#readImage)) {
      this.#past.push(past);
      this.#pastLength += past.length;
    }
    const full = this.#past.length > 2 * HISTORY_TURNS_MAX || this.#pastLength > 2 * HISTORY_LENGTH_MAX;
    if (full) this.#keep(newestTurns(this.#past));
  }

  /** The entry that ends the context here, to be written at once; what stands before it is kept but not looked back on. */
  reset(message: string, timestamp: number): HistoryEntry {
    this.#resetSeq = this.number();
    this.forget();
    return { seq: this.#resetSeq, role: 'reset', text: '', timestamp, message };
  }

  /** Whether a reset has ended the turn: it comes too late for one that is still being accepted, and waits afterwards. */
  isReset(turn: Turn): boolean {
    this.before(turn); // after a crash of the session the disk knows
    return turn.seq < this.#resetSeq;
  }

  /** The session was deleted: there is nothing to look back on. */
  forget(): void {
    this.#summary = undefined;
    this.#keep([]);
  }

  /** Entries were removed: what is looked back on is what the disk has left. */
  readAgain(): void {
    this.#past = undefined;
    this.#pastLength = 0;
  }

  /** What has been said since the last reset: turns that have ended. */
  history(): History {
    if (this.#past === undefined) this.#read(undefined);
    return { summary: this.#summary, turns: this.#past as PastTurn[] };
  }

  /** How often the conversation was summarized, as far as the disk knows. */
  get summaries(): number {
    return this.#store.summaries.get(this.#session)?.count ?? 0;
  }

  /**
   * The entry by which `text` stands for the turns up to the one of the user's entry `covers`, to be written and then
   * given to {@link summarized}; undefined when a reset has come in between.
   */
  summary(text: string, covers: number, message: string, timestamp: number): HistoryEntry | undefined {
    if (covers < this.#resetSeq) return undefined;
    return { seq: this.number(), role: 'summary', text, timestamp, message, covers };
  }

  /** Writes a reset, and that no earlier summary counts. */
  writeReset(batch: Batch, entry: HistoryEntry): void {
    this.write(batch, entry);
    const known = this.#store.summaries.get(this.#session);
    if (known !== undefined) batch.put(this.#store.summaries, this.#session, { ...known, reset: true });
  }

  /** Writes a summary, and where it stands: it may be far behind the newest entry when it is needed. */
  writeSummary(batch: Batch, entry: HistoryEntry): void {
    this.write(batch, entry);
    batch.put(this.#store.summaries, this.#session, { seq: entry.seq, count: this.summaries + 1 });
  }

  /** From now on the summary is looked back on instead of what it covers. */
  summarized({ text, covers = 0, seq }: HistoryEntry): void {
    if (this.#past === undefined || seq < this.#resetSeq) return;
    this.#summary = summaryTurn(text, covers);
    this.#keep(this.#past.filter((turn) => turn.seq > covers));
  }

  #keep(turns: readonly PastTurn[]): void {
    this.#past = [...turns];
    this.#pastLength = turns.reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * Reads the newest entries, and those before the turn that is to be answered: answers to earlier messages stand behind
   * it when they were written while it waited.
   */
  #read(turn: Turn | undefined): void {
    const newest = this.#store.entriesBefore(this.#session, Number.MAX_SAFE_INTEGER, READ_MAX);
    const first = newest[0]?.seq ?? 0;
    const older =
      turn !== undefined && first > turn.seq ? this.#store.entriesBefore(this.#session, turn.seq + 1, READ_MAX) : [];
    const read = [...older, ...newest];
    const reset = read.findLast(({ role }) => role === 'reset')?.seq ?? 0;
    const summary = this.#newestSummary(read, reset);
    const from = Math.max(reset, summary?.covers ?? 0);
    this.#resetSeq = Math.max(this.#resetSeq, reset);
    // Not those that wait, the turn itself included; and not only those before it: they may have been answered out of order.
    const open = new Set(this.#store.unfinished(this.#session).map(({ entry }) => entry.message));
    const kept = read.filter(({ seq, message }) => seq > from && !open.has(message));
    this.#summary = summary === undefined ? undefined : summaryTurn(summary.text, summary.covers ?? 0);
    this.#keep(newestTurns(pastTurns(kept, this.#readImage)));
  }

  /** Among what was read, or further back: then only where no reset can have come after it unseen. */
  #newestSummary(read: readonly HistoryEntry[], reset: number): HistoryEntry | undefined {
    const near = read.findLast(({ role, seq }) => role === 'summary' && seq > reset);
    if (near !== undefined || reset > 0) return near;
    const known = this.#store.summaries.get(this.#session);
    return known === undefined || known.reset === true
      ? undefined
      : this.#store.entries.get([this.#session, known.seq]);
  }
}
