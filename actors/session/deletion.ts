import { setImmediate } from 'node:timers';
import { ownerOf } from '../../src/memory/entry.ts';
import { factsOfSession, removeFact } from '../../src/memory/facts.ts';
import { failpoint } from '../../src/runtime/failpoint.ts';
import type { Write } from '../../src/storage/journal.ts';
import type { Store } from '../../src/storage/store.ts';
import { agentOf, parseSessionKey } from './session-key.ts';

/** Records removed in one commit: others wait for the writer no longer than for a few messages. */
const BATCH_MAX = 500;
/** Images removed in one commit: each has many pages to give back. */
const IMAGES_MAX = 50;

/**
 * Removes all there is of a session from the disk, with the facts that only it could recall. The first commit takes the
 * session and its unfinished messages, and leaves a note in `deletions`, so that a deletion that was cut short goes on after
 * the next start, and one for the index; the transcript, its images and the idempotency keys follow in bounded steps. `also`
 * is part of the first commit. `now`: milliseconds since the epoch. Nothing may write for the session meanwhile. Throws
 * `storage_failed`.
 */
export async function deleteSession(store: Store, session: string, also: Write, now: () => number): Promise<void> {
  const { approvals, deletions, inbox, journal, numbers, schedules, sessions, summaries, unlearn } = store;
  const waiting = [...inbox.getKeys({ start: [session, 0], end: [session, Infinity] })];
  const parts = parseSessionKey(session);
  const facts = parts === undefined ? [] : factsOfSession(store, parts.agent, ownerOf(parts), session);
  const forgetApprovals = approvals.removalOf(session);
  const agent = agentOf(session);
  await journal.commit((batch) => {
    batch.put(deletions, session, true);
    batch.remove(sessions, session);
    unlearn.add(batch, agent, { session }, now());
    for (const { id, fact } of facts) removeFact(store, batch, agent, id, fact, now());
    batch.remove(summaries, session);
    numbers.forget(batch, session);
    for (const key of waiting) batch.remove(inbox, key);
    for (const { schedule } of schedules.of(session)) schedules.remove(batch, session, schedule);
    forgetApprovals(batch);
    also(batch);
  });
  failpoint('delete.begun');
  await removeTranscript(store, session);
  failpoint('delete.half');
  await removeMentions(store, session);
  failpoint('delete.before');
  await journal.commit((batch) => {
    batch.remove(deletions, session);
    unlearn.add(batch, agent, { session }, now()); // an index may have read entries again that went after the first commit
  });
}

async function removeTranscript({ entries, images, journal }: Store, session: string): Promise<void> {
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
}

/** What stands elsewhere: dead letters, idempotency keys with answers to commands, what decided calls were given. */
async function removeMentions(store: Store, session: string): Promise<void> {
  const { approvals, deadLetters, journal, keys } = store;
  for (let start = ''; ; ) {
    const slice = [...deadLetters.getRange({ start, limit: BATCH_MAX })];
    const letters = slice.filter(({ value }) => value?.session === session);
    if (letters.length > 0) {
      await journal.commit((batch) => {
        for (const { key } of letters) batch.remove(deadLetters, key);
      });
    }
    if (slice.length < BATCH_MAX) break;
    start = `${slice.at(-1)?.key}\x01`;
    await new Promise((resolve) => setImmediate(resolve));
    journal.checkOpen();
  }
  for (;;) {
    const removal = keys.removalOf(session, BATCH_MAX);
    if (removal === undefined) break;
    await journal.commit(removal);
  }
  const decided = await approvals.decidedOf(session, () => true);
  for (let at = 0; at < decided.length; at += BATCH_MAX) {
    await journal.commit((batch) => {
      for (const record of decided.slice(at, at + BATCH_MAX)) approvals.strip(batch, record);
    });
  }
}
