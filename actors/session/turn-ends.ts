import { toWireError } from '../../src/protocol/errors.ts';
import type { Events, HistoryEntry, Usage } from '../../src/protocol/messages.ts';
import type { Batch } from '../../src/storage/journal.ts';
import { putDeadLetter } from './dead-letters.ts';
import type { SessionDependencies } from './dependencies.ts';
import type { EventStream } from './event-stream.ts';
import type { Inbox } from './inbox.ts';
import type { Kin } from './kin.ts';
import type { OutgoingAnswers } from './outgoing.ts';
import type { Persistence } from './persistence.ts';
import type { Transcript } from './transcript.ts';
import { type Turn, withJoined } from './turn.ts';

/** What a message costs that no model was asked about. */
export const NO_USAGE: Usage = { inputTokens: 0, outputTokens: 0 };

export interface TurnEndParts {
  events: EventStream;
  transcript: Transcript;
  inbox: Inbox;
  persistence: Persistence;
  shared: SessionDependencies;
  outgoing: OutgoingAnswers;
  kin: Kin;
  now(): number;
}

type End = Pick<Events['run.end'], 'status' | 'error' | 'deadLetter'> & { status: 'cancelled' | 'failed' };

/** Ends turns that no run will answer. */
export class TurnEnds {
  readonly #parts: TurnEndParts;

  constructor(parts: TurnEndParts) {
    this.#parts = parts;
  }

  /** Takes the turn out of the inbox, writes how it ended, and tells. Never rejects: at worst it runs after a restart. */
  async unrun(turn: Turn, end: End, also?: (batch: Batch) => void, run = this.#parts.shared.newId()): Promise<void> {
    const { events, inbox, kin, outgoing, persistence, shared, transcript } = this.#parts;
    const turns = withJoined(turn);
    const entries = turns.map(
      ({ message }): HistoryEntry => ({
        seq: transcript.number(),
        role: 'assistant',
        text: '',
        run,
        timestamp: this.#parts.now(),
        message,
        status: end.status,
      }),
    );
    const words = outgoing.ofRun(turns, end, run);
    const related = kin.ofEnd(turns, end);
    try {
      await persistence.write((batch) => {
        inbox.remove(batch, turns);
        words.write(batch);
        related.write(batch);
        for (const entry of entries) transcript.write(batch, entry);
        also?.(batch);
      });
      words.announce();
      related.announce();
      for (const { message } of turns) events.publish('run.end', { run, message, usage: NO_USAGE, ...end });
    } catch (error) {
      shared.log.error(
        { session: events.session, message: turn.message, error },
        'a message that ended may run after a restart',
      );
    }
  }

  /**
   * Ends a turn that failed for good: it is a dead letter from now on. Only DhaavakErrors are for users' eyes; the log
   * has the rest.
   */
  async bury(turn: Turn, error: unknown, attempts: number): Promise<undefined> {
    const { events, shared } = this.#parts;
    const { session } = events;
    shared.log.error({ session, message: turn.message, error, attempts }, 'a message failed for good: a dead letter');
    const told = toWireError(error);
    const diedAt = this.#parts.now();
    await this.unrun(turn, { status: 'failed', error: told, deadLetter: true }, (batch) => {
      for (const { message, seq, text, attachments, acceptedAt } of withJoined(turn)) {
        const letter = { message, session, seq, text, error: told, attempts, acceptedAt, diedAt };
        putDeadLetter(batch, shared, attachments === undefined ? letter : { ...letter, attachments });
      }
    });
    return undefined;
  }
}

/**
 * Counts tokens where the model API reported none: of what was sent and written, not of what a vendor adds. A failure to
 * count must not fail the run.
 */
export async function countUsage(
  shared: SessionDependencies,
  turn: Turn,
  sent: readonly { text: string }[],
  written: readonly { text: string }[],
): Promise<Usage> {
  const joined = [sent, written].map((messages) => messages.map(({ text }) => text).join('\n'));
  try {
    const [inputTokens = 0, outputTokens = 0] = await shared.countTokens(joined);
    return { inputTokens, outputTokens, estimated: true };
  } catch (error) {
    shared.log.warn({ message: turn.message, error }, 'tokens could not be counted');
    return { ...NO_USAGE, estimated: true };
  }
}
