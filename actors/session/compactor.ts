import type { RunBudget } from '../../src/agent/budget.ts';
import { summarize } from '../../src/agent/compaction.ts';
import type { ModelLine } from '../../src/agent/failover.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { boundedText } from './bounds.ts';
import type { SessionDependencies } from './dependencies.ts';
import type { EventStream } from './event-stream.ts';
import type { Persistence } from './persistence.ts';
import type { SessionRecord } from './record.ts';
import type { Transcript } from './transcript.ts';

export interface CompactorParts {
  shared: SessionDependencies;
  events: EventStream;
  transcript: Transcript;
  persistence: Persistence;
  record: SessionRecord;
  now(): number;
  /** The models of the session, and what they may still cost. */
  models(): { line: ModelLine; budget: RunBudget | undefined };
}

/** Has what was said so far summarized, beside the lane: runs go on meanwhile and look back on it when it is there. */
export class Compactor {
  readonly #parts: CompactorParts;
  /** What whoever asked wants kept; undefined: nobody asked. */
  #asked: string | undefined;
  #working = false;

  constructor(parts: CompactorParts) {
    this.#parts = parts;
  }

  /** To be followed by {@link work}. Returns how many turns there are to summarize. Throws `invalid_request` while one goes on. */
  ask(instructions: string): number {
    if (this.#working) throw new DhaavakError('invalid_request', 'A summary is being made already.');
    this.#asked = instructions;
    return this.#parts.transcript.endedTurns().length;
  }

  /** Makes the summary that was asked for, writes it, and tells. Never rejects. */
  async work(): Promise<undefined> {
    const { events, shared, transcript } = this.#parts;
    const instructions = this.#asked;
    this.#asked = undefined;
    const past = [...transcript.endedTurns()];
    if (instructions === undefined || this.#working || past.length === 0) return undefined;
    this.#working = true;
    try {
      await this.#summarize(past, instructions);
      events.publish('session.compacted', { status: 'ok', turns: past.length });
    } catch (error) {
      const told = error instanceof DhaavakError ? error : new DhaavakError('internal', 'the summary failed');
      shared.log.warn({ session: events.session, error }, 'what was said could not be summarized');
      events.publish('session.compacted', { status: 'failed', turns: past.length, error: told.toWire() });
    } finally {
      this.#working = false;
    }
    return undefined;
  }

  async #summarize(past: ReturnType<Transcript['endedTurns']>, instructions: string): Promise<void> {
    const { persistence, record, shared, transcript } = this.#parts;
    const { config, newId } = shared;
    const { line, budget } = this.#parts.models();
    const { session } = record;
    const { outputTokensMax, stallMs } = config.models;
    const signal = AbortSignal.timeout(config.sessions.runTimeoutMs);
    const end = await summarize({ models: line, past, instructions, outputTokensMax, stallMs, budget, signal });
    if (end.status !== 'ok') throw end.error;
    if (end.text.trim() === '') throw new DhaavakError('model_unavailable', 'the model wrote nothing');
    const { text } = boundedText(end.text.trim());
    const entry = transcript.summary(text, past.at(-1)!.seq, newId(), this.#parts.now());
    if (entry === undefined) throw new DhaavakError('cancelled', 'the conversation was begun anew meanwhile');
    if (record.session !== session) throw new DhaavakError('cancelled', 'the session was deleted meanwhile');
    if (session !== undefined && end.usage !== null) {
      session.tokensUsed += end.usage.inputTokens + end.usage.outputTokens;
      session.costUsed += end.usage.cost ?? 0;
    }
    await persistence.write((batch) => transcript.write(batch, entry));
    transcript.summarized(entry);
  }
}
