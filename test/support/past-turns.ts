/** Transcripts that are there when a gateway starts, written as one would have written them. */
import { setImmediate } from 'node:timers/promises';
import type { HistoryEntry, Session } from '../../src/protocol/messages.ts';
import { sessionOfKey } from '../../src/storage/session-record.ts';
import { Store } from '../../src/storage/store.ts';

/** One turn: what was said, by tool or not, and when. */
export interface PastTurnInput {
  said: string;
  answer: string;
  at: number;
  /** What the answer has called a tool with, and its result. */
  call?: { input: unknown; result: string };
  images?: Buffer[];
}

/** The entries of turns, one after the other, numbered from `first`. */
export function entriesOf(turns: readonly PastTurnInput[], first = 1): HistoryEntry[] {
  let seq = first;
  return turns.flatMap(({ said, answer, at, call, images }) => {
    const message = `m${seq}`;
    const run = `r${seq}`;
    const entry = (fields: Pick<HistoryEntry, 'role' | 'text'> & Partial<HistoryEntry>): HistoryEntry => ({
      seq: seq++,
      timestamp: at,
      message,
      ...fields,
    });
    const attachments = images?.map(({ length }) => ({
      type: 'image' as const,
      mediaType: 'image/png' as const,
      bytes: length,
    }));
    const entries = [entry({ role: 'user', text: said, ...(attachments && { attachments }) })];
    if (call !== undefined) {
      const toolCalls = [{ id: 'c1', name: 'calc', input: call.input }];
      entries.push(entry({ role: 'assistant', text: '', run, toolCalls }));
      entries.push(entry({ role: 'tool', text: call.result, run, toolCall: { id: 'c1', name: 'calc' } }));
    }
    entries.push(entry({ role: 'assistant', text: answer, run }));
    return entries;
  });
}

/** Writes a session with its turns into a store; returns its entries. */
export async function putTurns(store: Store, key: string, turns: readonly PastTurnInput[]): Promise<HistoryEntry[]> {
  const entries = entriesOf(turns);
  const last = entries.at(-1)?.timestamp ?? Date.now();
  const session: Session = { ...sessionOfKey(key, last) };
  await store.journal.commit((batch) => {
    batch.put(store.sessions, key, session);
    for (const entry of entries) batch.put(store.entries, [key, entry.seq], entry);
    let user = 0;
    for (const { images = [] } of turns) {
      const seq = entries.filter(({ role }) => role === 'user')[user++]?.seq as number;
      for (const [index, image] of images.entries()) batch.put(store.images, [key, seq, index], image);
    }
  });
  await setImmediate();
  return entries;
}

/** The same in the home of a gateway that does not run. */
export async function writeTurns(home: string, key: string, turns: readonly PastTurnInput[]): Promise<HistoryEntry[]> {
  const store = new Store(home, { flush: false });
  try {
    return await putTurns(store, key, turns);
  } finally {
    await store.close();
  }
}
