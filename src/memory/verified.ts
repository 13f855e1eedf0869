import { parseSessionKey } from '../../actors/session/session-key.ts';
import type { Store } from '../storage/store.ts';
import type { MemoryQuery } from './backend.ts';
import { type MemoryEntry, mayRecall, mayRecallUnasked, ownerOf } from './entry.ts';
import { isFromOutside } from './trust.ts';

/**
 * An entry that a backend has found, as the journal knows it: whose it is, and what a fact says, is read there and not believed.
 * Undefined for what is not there any more.
 */
export function verified(store: Store, found: MemoryEntry, agent: string): MemoryEntry | undefined {
  if (found.kind === 'fact') {
    const fact = store.facts.get(agent, found.id);
    return fact === undefined ? undefined : { ...fact, id: found.id, kind: 'fact', agent };
  }
  const { session, seq } = placeOf(found.id);
  const parts = parseSessionKey(session);
  const entry = store.entries.get([session, seq]);
  if (parts === undefined || parts.type === 'sub' || entry === undefined) return undefined;
  return {
    ...found,
    kind: entry.role === 'reset' ? 'summary' : entry.role,
    agent: parts.agent,
    session,
    owner: ownerOf(parts),
    // A transcript is nobody's but its owner's, however far somebody else may look.
    reach: found.reach === 'agent' ? 'owner' : found.reach,
    trusted: found.trusted && !isFromOutside(entry),
    timestamp: entry.timestamp,
    message: entry.message,
  };
}

/** Whether an entry may be given to who asked: what a backend is told to keep to, looked at once more. */
export function mayBeGiven(entry: MemoryEntry, { reader, unasked, filter }: MemoryQuery): boolean {
  if (unasked === true ? !mayRecallUnasked(reader, entry) : !mayRecall(reader, entry)) return false;
  const { beforeSeq } = filter ?? {};
  if (beforeSeq === undefined || entry.kind === 'fact' || entry.session !== reader.session) return true;
  return placeOf(entry.id).seq < beforeSeq;
}

/** Of the id `<session>#<seq>`. */
function placeOf(id: string): { session: string; seq: number } {
  const at = id.lastIndexOf('#');
  const seq = Number(id.slice(at + 1));
  return { session: id.slice(0, Math.max(0, at)), seq: Number.isSafeInteger(seq) ? seq : 0 };
}
