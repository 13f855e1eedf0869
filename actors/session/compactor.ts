import type { RunBudget } from '../../src/agent/budget.ts';
import type { Calibration } from '../../src/agent/calibration.ts';
import { summarize, turnsToCover } from '../../src/agent/compaction.ts';
import type { History } from '../../src/agent/context.ts';
import type { ModelLine } from '../../src/agent/failover.ts';
import { TokenMeter } from '../../src/agent/meter.ts';
import type { SentContext } from '../../src/agent/packer.ts';
import { isHistoryTainted } from '../../src/agent/taint.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { ActorContext } from '../../src/runtime/actor.ts';
import { OUTSIDE_NOTE } from '../../src/tools/untrusted.ts';
import { boundedText } from './bounds.ts';
import type { SessionDependencies } from './dependencies.ts';
import type { EventStream } from './event-stream.ts';
import type { Persistence } from './persistence.ts';
import type { SessionRecord } from './record.ts';
import type { Transcript } from './transcript.ts';
import type { Turn } from './turn.ts';

/** After a summary that failed, none is made by itself for a minute, then twice as long each time, up to an hour. */
const PAUSE_MS = 60_000;
const PAUSE_MAX_MS = 3_600_000;

export interface CompactorParts {
  context: ActorContext<Turn>;
  shared: SessionDependencies;
  events: EventStream;
  transcript: Transcript;
  persistence: Persistence;
  record: SessionRecord;
  calibration: Calibration;
  now(): number;
  /** The models of the session, and what they may still cost. */
  models(): { line: ModelLine; budget: RunBudget | undefined };
}

interface Wanted {
  /** What whoever asks wants kept. */
  instructions: string;
  /** How many of the oldest turns become the summary. */
  turns: number;
  automatic: boolean;
}

/**
 * Has what was said so far summarized, beside the lane: runs go on meanwhile and look back on it when it is there. All of it
 * when somebody asks, and by itself the older part, when the context is nearly full.
 */
export class Compactor {
  readonly #parts: CompactorParts;
  /** Undefined: nobody asked. */
  #asked: string | undefined;
  #working = false;
  /** Summaries in a row that failed, and when the next is made by itself, in elapsed time. */
  #failures = 0;
  #pausedUntil = 0;

  constructor(parts: CompactorParts) {
    this.#parts = parts;
  }

  /** To be followed by {@link work}. Returns how many turns there are to summarize. Throws `invalid_request` while one goes on. */
  ask(instructions: string): number {
    if (this.#working) throw new DhaavakError('invalid_request', 'A summary is being made already.');
    this.#asked = instructions;
    return this.#parts.transcript.history().turns.length;
  }

  /** Makes the summary that was asked for, writes it, and tells. Never rejects. */
  async work(): Promise<undefined> {
    const instructions = this.#asked;
    this.#asked = undefined;
    if (instructions === undefined) return;
    await this.#make({ instructions, turns: this.#parts.transcript.history().turns.length, automatic: false });
  }

  /** To be called when a run has ended whose last request was `sent`: makes a summary where the next would not fit soon. */
  afterRun(sent: SentContext): void {
    const { context, transcript, shared, calibration } = this.#parts;
    const share = shared.config.sessions.compactAt;
    if (share >= 1 || this.#working || context.clock.elapsed() < this.#pausedUntil) return;
    const { system, tools, memory } = sent.sizes;
    const meter = new TokenMeter(sent.family);
    const ratio = calibration.ratioOf(sent.reference);
    const turns = turnsToCover({
      history: transcript.history(),
      fixedTokens: system + tools + memory,
      room: sent.room,
      share,
      tokensOf: (turn) => {
        const { rest, results } = meter.turn(turn);
        return ratio * (rest + results);
      },
    });
    if (turns > 0) context.hold(this.#make({ instructions: '', turns, automatic: true }));
  }

  /** Never rejects. */
  async #make(wanted: Wanted): Promise<void> {
    const { context, events, shared, transcript } = this.#parts;
    const { summary, turns } = transcript.history();
    const history = { summary, turns: turns.slice(0, wanted.turns) };
    if (this.#working || history.turns.length === 0) return;
    const told = { turns: history.turns.length, ...(wanted.automatic && { automatic: true as const }) };
    this.#working = true;
    try {
      await this.#summarize(history, wanted.instructions);
      this.#failures = 0;
      this.#pausedUntil = 0;
      events.publish('session.compacted', { status: 'ok', ...told });
    } catch (error) {
      this.#pausedUntil = context.clock.elapsed() + Math.min(PAUSE_MS * 2 ** this.#failures, PAUSE_MAX_MS);
      this.#failures += 1;
      const wire = error instanceof DhaavakError ? error : new DhaavakError('internal', 'the summary failed');
      shared.log.warn({ session: events.session, error }, 'what was said could not be summarized');
      events.publish('session.compacted', { status: 'failed', ...told, error: wire.toWire() });
    } finally {
      this.#working = false;
    }
  }

  async #summarize(history: History, instructions: string): Promise<void> {
    const { calibration, events, persistence, record, shared, transcript } = this.#parts;
    const { config, log, newId } = shared;
    const session = record.existing();
    const { line: models, budget } = this.#parts.models();
    const { outputTokensMax, stallMs } = config.models;
    const signal = AbortSignal.timeout(config.sessions.runTimeoutMs);
    const options = { models, history, instructions, outputTokensMax, stallMs, budget, calibration, signal };
    const { text: whole, usage, left } = await summarize(options);
    if (left > 0) log.warn({ session: events.session, turns: left }, 'a summary leaves out the oldest turns');
    const { text } = boundedText(whole);
    const covers = history.turns.at(-1)?.seq as number;
    const noted = isHistoryTainted(history) ? `${OUTSIDE_NOTE}\n${text}` : text;
    const entry = transcript.summary(noted, covers, newId(), this.#parts.now());
    if (entry === undefined || record.session !== session) {
      throw new DhaavakError('cancelled', 'the conversation was begun anew or deleted meanwhile');
    }
    if (usage !== null) {
      session.tokensUsed += usage.inputTokens + usage.outputTokens;
      session.costUsed += usage.cost ?? 0;
    }
    await persistence.write((batch) => transcript.writeSummary(batch, entry));
    transcript.summarized(entry);
  }
}
