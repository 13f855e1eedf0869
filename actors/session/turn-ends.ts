import { toWireError } from '../../src/protocol/errors.ts';
import type { Events, Usage } from '../../src/protocol/messages.ts';
import type { SessionDependencies } from './dependencies.ts';
import type { EventStream } from './event-stream.ts';
import { OutgoingAnswers } from './outgoing.ts';
import { type Turn, withJoined } from './turn.ts';

/** What a message costs that no model was asked about. */
export const NO_USAGE: Usage = { inputTokens: 0, outputTokens: 0 };

/** Ends turns that no run will answer. */
export class TurnEnds {
  readonly #events: EventStream;
  readonly #shared: SessionDependencies;
  readonly #outgoing: OutgoingAnswers;

  constructor(events: EventStream, shared: SessionDependencies) {
    this.#events = events;
    this.#shared = shared;
    this.#outgoing = new OutgoingAnswers(events, shared);
  }

  /** Takes the turn out of the inbox and tells. Never rejects: at worst it runs after a restart. */
  async unrun(turn: Turn, end: Pick<Events['run.end'], 'status' | 'error'>): Promise<void> {
    const { store, log, newId } = this.#shared;
    const { session } = this.#events;
    const run = newId();
    const turns = withJoined(turn);
    const outgoing = this.#outgoing.ofRun(turns, end, run);
    try {
      await store.journal.commit((batch) => {
        for (const { seq } of turns) batch.remove(store.inbox, [session, seq]);
        outgoing.write(batch);
      });
      outgoing.announce();
      for (const { message } of turns) this.#events.publish('run.end', { run, message, usage: NO_USAGE, ...end });
    } catch (error) {
      log.error({ session, message: turn.message, error }, 'a message that ended may run after a restart');
    }
  }

  /** Ends a turn that failed for good. Only DhaavakErrors are for users' eyes; the log has the rest. */
  async bury(turn: Turn, error: unknown): Promise<undefined> {
    const { session } = this.#events;
    this.#shared.log.error({ session, message: turn.message, error }, 'a message failed for good');
    await this.unrun(turn, { status: 'failed', error: toWireError(error) });
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
