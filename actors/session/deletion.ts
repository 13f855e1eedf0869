import { ownerOf } from '../../src/memory/entry.ts';
import { factsOfSession, removeFact } from '../../src/memory/facts.ts';
import type { Write } from '../../src/storage/journal.ts';
import type { Store } from '../../src/storage/store.ts';
import { parseSessionKey } from './session-key.ts';

/** Records removed in one commit: others wait for the writer no longer than for a few messages. */
const BATCH_MAX = 500;
/** Images removed in one commit: each has many pages to give back. */
const IMAGES_MAX = 50;

/**
 * Removes all there is of a session from the disk, with the facts that only it could recall. The first commit takes the session and its unfinished messages, and
 * leaves a note in `deletions`, so that a deletion that was cut short goes on after the next start, and one
 * for the index; the transcript, its images and the idempotency keys follow in bounded steps. `also` is part of the first
 * commit. `now`: milliseconds since the epoch. Nothing may write for the session meanwhile. Throws `storage_failed`.
 */
export async function deleteSession(store: Store, session: string, also: Write, now: () => number): Promise<void> {
  const { approvals, deadLetters, deletions, entries, images, inbox, journal, keys, schedules, sessions, unlearn } =
    store;
  const waiting = [...inbox.getKeys({ start: [session, 0], end: [session, Infinity] })];
  const parts = parseSessionKey(session);
  const agent = parts?.agent ?? '';
  const facts = parts === undefined ? [] : factsOfSession(store, agent, ownerOf(parts), session);
  const forgetApprovals = approvals.removalOf(session);
  await journal.commit((batch) => {
    batch.put(deletions, session, true);
    batch.remove(sessions, session);
    unlearn.add(batch, agent, { session }, now());
    for (const { id, fact } of facts) removeFact(store, batch, agent, id, fact, now());
    for (const key of waiting) batch.remove(inbox, key);
    for (const { schedule } of schedules.of(session)) schedules.remove(batch, session, schedule);
    forgetApprovals(batch);
    also(batch);
  });
  for (;;) {
    const old = [...entries.getKeys({ start: [session, 0], end: [session, Infinity], limit: BATCH_MAX })];
    if (old.length === 0) break;
    await journal.commit((batch) => {
      for (const key of old) batch.remove(entries, key);
    });
  }
  for (;;) {
    const old = [...images.getKeys({ start: [session, 0, 0], end: [session, Infinity, 0], limit: IMAGES_MAX })];
    if (old.length === 0) break;
    await journal.commit((batch) => {
      for (const key of old) batch.remove(images, key);
    });
  }
  const letters = [...deadLetters.getRange({})].filter(({ value }) => value?.session === session);
  await journal.commit((batch) => {
    for (const { key } of letters) batch.remove(deadLetters, key);
  });
  for (;;) {
    const removal = keys.removalOf(session, BATCH_MAX);
    if (removal === undefined) break;
    await journal.commit(removal);
  }
  await journal.commit((batch) => {
    batch.remove(deletions, session);
    unlearn.add(batch, agent, { session }, now()); // an index may have read entries again that went after the first commit
  });
}
