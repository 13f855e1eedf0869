import type { RunEnd } from '../../src/agent/loop.ts';
import type { ModelMessage, ToolCall } from '../../src/agent/provider.ts';
import { OUTCOME_UNKNOWN, type Resumption, resumptionOf } from '../../src/agent/resume.ts';
import type { Taint } from '../../src/agent/taint.ts';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import { failpoint } from '../../src/runtime/failpoint.ts';
import type { Batch, Write } from '../../src/storage/journal.ts';
import type { Store } from '../../src/storage/store.ts';
import type { ToolResult } from '../../src/tools/registry.ts';
import { boundedInput, boundedText } from './bounds.ts';
import type { Inbox } from './inbox.ts';
import type { Persistence } from './persistence.ts';
import { endedByShutdown } from './run-end.ts';
import type { Transcript } from './transcript.ts';
import { type Turn, withJoined } from './turn.ts';

export interface RunRecordParts {
  store: Store;
  session: string;
  transcript: Transcript;
  inbox: Inbox;
  persistence: Persistence;
  now(): number;
  /** Whether its model has something from outside before it. */
  taint: Taint;
  /** Whether making the call twice does no harm. */
  isSafeToRepeat(call: ToolCall): boolean;
}

/** An entry before it has its number and its marks. */
type Said = Pick<HistoryEntry, 'role' | 'text'> & Partial<HistoryEntry>;

/**
 * The transcript of one run, written as it happens: the transcript is the ledger of a run's effects. Calls stand there
 * before they are made (*intended*) and their results as soon as they are there (*done*), so that after a crash
 * `agent/resume.ts` can tell what has happened from what may have.
 */
export class RunRecord {
  /** Everything this turn's runs have added, an earlier attempt's entries first. */
  readonly entries: HistoryEntry[] = [];
  readonly #parts: RunRecordParts;
  readonly #turn: Turn;
  readonly #run: string;
  /** Messages of the run that are written, or are users' and were written when they were accepted. */
  #written = 0;
  /** Entries whose own commit failed: they are written with the end. */
  readonly #owed: HistoryEntry[] = [];
  /** Joined turns of which the inbox knows that they are. */
  #joinsWritten = 0;

  constructor(parts: RunRecordParts, turn: Turn, run: string) {
    this.#parts = parts;
    this.#turn = turn;
    this.#run = run;
  }

  /**
   * Reads what an earlier attempt at the turn has written, and says where to go on; undefined: at the beginning. Calls
   * whose outcome is unknown get a result that says so. One of which an operator was asked, and no answer is written
   * down, was not made: it goes on to be asked about anew.
   */
  async resumption(): Promise<Resumption | undefined> {
    const { store, session, isSafeToRepeat } = this.#parts;
    await store.journal.commit(() => {}); // what a crashed attempt gave to the journal can be read from here on
    const turns = withJoined(this.#turn);
    const ids = new Set(turns.map(({ message }) => message));
    const entries = store.entriesAfter(session, this.#turn.seq);
    this.entries.push(...entries.filter(({ role, message }) => role !== 'user' && ids.has(message)));
    const mayMake = (call: ToolCall) => isWhole(call) && (isSafeToRepeat(call) || this.#isWaiting(call));
    const found = resumptionOf(this.#messages(turns), mayMake);
    if (found === undefined) return undefined;
    this.#joinsWritten = this.#turn.joined.length;
    this.#written = found.messages.length - found.unknown.length + found.said.length;
    for (const { id, name } of found.unknown) {
      this.#write({ role: 'tool', text: OUTCOME_UNKNOWN, toolCall: { id, name, failed: true, unknown: true } });
    }
    return found;
  }

  /**
   * Writes down that the calls are about to be made. Resolves when that is on the disk; at once where all of them may be
   * made twice.
   */
  async intend(text: string, calls: readonly ToolCall[], signal: AbortSignal): Promise<void> {
    const { inbox, isSafeToRepeat, transcript } = this.#parts;
    const toolCalls = calls.map((call) => ({ ...call, input: boundedInput(call.input) }));
    const said: Said = { role: 'assistant', ...boundedText(text), toolCalls };
    const joins = (batch: Batch) => {
      for (const turn of this.#turn.joined) inbox.put(batch, turn, { joins: this.#turn.seq });
    };
    if (calls.every(isSafeToRepeat) && this.#joinsWritten === this.#turn.joined.length) {
      this.#write(said);
      return;
    }
    this.#joinsWritten = this.#turn.joined.length;
    const entry = this.#add(said);
    await this.#writeOrOwe(
      entry,
      (batch) => {
        transcript.write(batch, entry);
        joins(batch);
      },
      signal,
    );
    failpoint('tool.intended');
  }

  /**
   * Writes down the result of a call; resolves when that is on the disk, at once where the call may be made twice. Of one that
   * waits for an operator while the gateway goes down it writes nothing: the next start asks anew.
   */
  async done(call: ToolCall, { output, failed, untrusted }: ToolResult, signal: AbortSignal): Promise<void> {
    const { isSafeToRepeat, transcript } = this.#parts;
    const { id, name } = call;
    const toolCall = { id, name, ...(failed && { failed: true as const }), ...(untrusted && { untrusted }) };
    const said: Said = { role: 'tool', ...boundedText(output), toolCall };
    if (endedByShutdown(signal) && this.#isWaiting(call)) return;
    failpoint('tool.called');
    if (isSafeToRepeat(call)) {
      this.#write(said);
      return;
    }
    const entry = this.#add(said);
    await this.#writeOrOwe(entry, (batch) => transcript.write(batch, entry), signal);
    failpoint('tool.done');
  }

  /**
   * Waits for the disk, but not for longer than the run may go on: a run that is cancelled or out of time ends, and its
   * end brings the entry. Throws the signal's reason when the gateway goes down.
   */
  async #writeOrOwe(entry: HistoryEntry, write: Write, signal: AbortSignal): Promise<void> {
    try {
      await this.#parts.persistence.write(write, signal);
    } catch (error) {
      if (!signal.aborted || endedByShutdown(signal)) throw error;
      this.#owed.push(entry);
    }
  }

  /** Users' messages went into the run: they have entries of their own. */
  steered(count: number): void {
    this.#written += count;
  }

  /** Adds what the run said last, and how it ended where it did not end well; to be written by {@link putRest}. */
  close(end: RunEnd): void {
    const rest = end.messages.slice(this.#written).filter(({ role }) => role === 'assistant');
    const said: Said[] = rest.map(({ text }) => ({ role: 'assistant', ...boundedText(text) }));
    if (said.length === 0) said.push({ role: 'assistant', text: '' });
    const last = said.at(-1)!;
    if (end.status !== 'ok') last.status = end.status;
    if (this.#turn.joined.length > 0)
      last.answers = withJoined(this.#turn)
        .slice(0, -1)
        .map(({ message }) => message);
    for (const one of said) this.#owed.push(this.#add(one));
  }

  putRest(batch: Batch): void {
    for (const entry of this.#owed) this.#parts.transcript.write(batch, entry);
  }

  /** Whether an operator was asked about the call, and no answer is written down: then it was not made. */
  #isWaiting({ id, name }: ToolCall): boolean {
    const { store, session } = this.#parts;
    const ids = new Set(withJoined(this.#turn).map(({ message }) => message));
    const asked = store.approvals.waitingOf(session);
    return asked.some(({ call, name: tool, message }) => call === id && tool === name && ids.has(message));
  }

  /** Adds an entry and writes it without waiting: one that fails is written with the end. */
  #write(said: Said): void {
    const { store, transcript } = this.#parts;
    const entry = this.#add(said);
    store.journal.commit((batch) => transcript.write(batch, entry)).catch(() => this.#owed.push(entry));
  }

  #add(said: Said): HistoryEntry {
    const message = withJoined(this.#turn).at(-1)!.message;
    const entry: HistoryEntry = {
      seq: this.#parts.transcript.number(),
      ...said,
      run: this.#run,
      timestamp: this.#parts.now(),
      message,
    };
    if (said.role === 'assistant' && this.#parts.taint.isThere) entry.untrusted = true;
    this.entries.push(entry);
    this.#written += 1;
    return entry;
  }

  /** What was written, as messages to a model, the users' at the places where they came in. */
  #messages(turns: readonly Turn[]): ModelMessage[] {
    const messages: ModelMessage[] = [];
    const waiting = turns.slice(1);
    const takeIn = (until: string | undefined) => {
      const count = until === undefined ? waiting.length : waiting.findIndex(({ message }) => message === until) + 1;
      messages.push(...waiting.splice(0, count).map((turn) => this.#parts.transcript.messageOf(turn)));
    };
    for (const entry of this.entries) {
      takeIn(entry.message);
      messages.push(messageOf(entry));
    }
    takeIn(undefined);
    return messages;
  }
}

function messageOf({ role, text, toolCall, toolCalls = [] }: HistoryEntry): ModelMessage {
  if (toolCall === undefined || role !== 'tool') return { role: 'assistant', text, toolCalls };
  return { role: 'tool', call: toolCall.id, name: toolCall.name, text, failed: toolCall.failed === true };
}

/** Whether all of a call's input was kept: one that was cut must not be made. */
function isWhole({ input }: ToolCall): boolean {
  return typeof input !== 'object' || input === null || !('truncated' in input);
}
