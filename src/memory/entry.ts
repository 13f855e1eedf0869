/** What can be remembered, and who may recall it: one rule, which every backend keeps and a property test checks. */

export type MemoryKind = 'user' | 'assistant' | 'tool' | 'summary' | 'fact';

/** How far something may be recalled, the narrower first: in its session, by its owner, by all sessions of its agent. */
export type Reach = 'session' | 'owner' | 'agent';

/** Longest text of a fact, in UTF-16 code units: a few sentences. */
export const FACT_LENGTH_MAX = 2_000;

export interface MemoryEntry {
  /** Unique in its agent's memory: `<session>#<seq>` of an entry of a transcript, a ulid of a fact. */
  id: string;
  kind: MemoryKind;
  agent: string;
  /** Where it was said or saved. */
  session: string;
  /** Whose session that is, see {@link ownerOf}. */
  owner: string;
  channel: string;
  /** Who said it, as `telegram:123`; what the agent said, or was told by a tool, is the agent's: `agent:main`. */
  sender: string;
  reach: Reach;
  /** False: it may say what somebody outside wants the agent to do. It is then never recalled unasked. */
  trusted: boolean;
  text: string;
  /** Milliseconds since the epoch. */
  timestamp: number;
  /** The message whose turn it belongs to. */
  message: string;
}

/** Who wants to recall. */
export interface MemoryReader {
  agent: string;
  session: string;
  owner: string;
  /** How far it may look: `memory.scope` of its type of session. */
  scope: Reach;
}

/** The parts of a session that say whose it is. */
interface OwnedSession {
  agent: string;
  type: string;
  channel: string;
  user: string;
}

/**
 * Whose a session is, as a name: all that is said in sessions of one owner may be recalled in another of them. A group is an
 * owner of its own, so is the operator, whose the main session is.
 */
export function ownerOf({ type, channel, user }: OwnedSession): string {
  return type === 'main' ? 'main' : `${type}:${channel}:${user}`;
}

/** Whether a session may recall an entry where it asks for it. */
export function mayRecall(
  reader: MemoryReader,
  entry: Pick<MemoryEntry, 'agent' | 'session' | 'owner' | 'reach'>,
): boolean {
  if (entry.agent !== reader.agent) return false;
  if (entry.session === reader.session || entry.reach === 'agent' || reader.scope === 'agent') return true;
  return reader.scope === 'owner' && entry.reach === 'owner' && entry.owner === reader.owner;
}

/** Whether an entry may be put before a session's model unasked: what others said, or what comes from outside, may not. */
export function mayRecallUnasked(reader: MemoryReader, entry: MemoryEntry): boolean {
  if (!entry.trusted || entry.kind === 'tool' || !mayRecall(reader, entry)) return false;
  return entry.owner === reader.owner || (entry.kind === 'fact' && entry.reach === 'agent');
}
