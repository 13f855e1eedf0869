/** What a session finds of an earlier life, as the turns it goes on with. */
import type { InboxRecord, Store } from '../../src/storage/store.ts';
import { newTurn, type Turn } from './turn.ts';

/**
 * The accepted messages whose turns have not ended, in order. Messages that a run had taken in are with its turn again;
 * those before a message that had interrupted them, or before a reset, are marked, to be ended and not run.
 */
export function recoveredTurns(store: Store, session: string): Turn[] {
  const turns: Turn[] = [];
  const unfinished = store.unfinished(session);
  const interruption = unfinished.findLastIndex(({ record }) => record.followUp === 'interrupt');
  const reset = unfinished[0] === undefined ? 0 : lastReset(store, session, unfinished[0].entry.seq);
  for (const [index, { entry, record }] of unfinished.entries()) {
    const { seq, text, timestamp, message, attachments, origin, source } = entry;
    const turn: Turn = {
      ...newTurn(message, text),
      attachments,
      origin,
      source,
      followUp: record.followUp,
      starts: startsOf(record),
      ...((index < interruption || seq < reset) && { interrupted: true }),
      seq,
      acceptedAt: timestamp,
    };
    const head = record.joins === undefined ? undefined : turns.find((other) => other.seq === record.joins);
    if (head === undefined) turns.push(turn);
    else head.joined = [...head.joined, turn];
  }
  return turns;
}

/** The number of the newest reset behind entry `after`; 0: there is none. */
function lastReset(store: Store, session: string, after: number): number {
  return store.entriesAfter(session, after).findLast(({ role }) => role === 'reset')?.seq ?? 0;
}

/** Who accepts a message does not write down that it begins to run: it may have, once. */
function startsOf({ starts }: InboxRecord): number {
  return starts ?? 1;
}
