/** The messages that failed for good, as operators look at them. */
import { DhaavakError } from '../../src/protocol/errors.ts';
import type { DeadLetterInfo, Replies, RequestData } from '../../src/protocol/messages.ts';
import type { Batch } from '../../src/storage/journal.ts';
import type { DeadLetter, Store } from '../../src/storage/store.ts';
import type { SessionDependencies } from './dependencies.ts';

/** Dead letters kept, of all sessions; past it the oldest goes. */
const KEPT_MAX = 10_000;
/** Letters in a page, where the client names no limit; and their text, so that a frame holds them. */
const PAGE = 50;
const PAGE_LENGTH_MAX = 262_144;

/** Keeps a letter; the oldest makes room, and the log says so. */
export function putDeadLetter(
  batch: Batch,
  { store, log }: Pick<SessionDependencies, 'store' | 'log'>,
  letter: DeadLetter,
): void {
  const { deadLetters } = store;
  batch.put(deadLetters, letter.message, letter);
  if ((deadLetters.getStats() as { entryCount: number }).entryCount < KEPT_MAX) return;
  for (const message of deadLetters.getKeys({ limit: 1 })) {
    batch.remove(deadLetters, message);
    log.error({ message }, `over ${KEPT_MAX} dead letters: the oldest is gone`);
  }
}

/** The letter, checked to be of the session. Throws `not_found`. */
export function deadLetter(store: Store, session: string, message: string): DeadLetter {
  const letter = store.deadLetters.get(message);
  if (letter?.session === session) return letter;
  throw new DhaavakError('not_found', `no dead letter ${message} is in this session`, { param: 'data.message' });
}

/** One page of them, of all shards, the oldest first. */
export function listDeadLetters(store: Store, query: RequestData<'dead-letter.list'>): Replies['dead-letter.list'] {
  const { session, limit = PAGE, cursor = '' } = query;
  const letters: DeadLetterInfo[] = [];
  let length = 0;
  // The key after the cursor is the cursor with the lowest character behind it.
  for (const { key, value } of store.deadLetters.getRange({ start: `${cursor}\x01` })) {
    if (value === undefined || (session !== undefined && value.session !== session)) continue; // undefined: damaged
    length += value.text.length;
    const { seq: _, ...letter } = value;
    if (letters.length > 0 && length > PAGE_LENGTH_MAX) return { letters, cursor: letters.at(-1)!.message };
    letters.push(letter);
    if (letters.length === limit) return { letters, cursor: key };
  }
  return { letters };
}
