/** What the memory has of a transcript's entries and of facts. */
import type { HistoryEntry, Session } from '../protocol/messages.ts';
import type { FactRecord } from '../storage/facts.ts';
import type { MemorySource } from '../storage/memory-source.ts';
import { type MemoryEntry, ownerOf } from './entry.ts';
import { isFromOutside } from './trust.ts';

/** Of a tool's result, in UTF-16 code units: what it is about stands at its beginning, and pages are long. */
const TOOL_LENGTH_MAX = 1_000;
/** Their results are what the memory has already. */
const OWN_TOOLS = /^memory\./;

/** The text that is remembered of an entry; '' of one that is not. */
export function rememberedText({ role, text, toolCall }: HistoryEntry): string {
  if (role === 'reset') return '';
  if (role !== 'tool') return text;
  return OWN_TOOLS.test(toolCall?.name ?? '') ? '' : text.slice(0, TOOL_LENGTH_MAX);
}

/**
 * What is remembered of an entry; undefined: nothing. `tainted`: something in its turn before it came from outside. How far it may
 * be recalled is `owner` whatever the configuration says: all sessions of one owner are of one type, and have one scope.
 */
export function rememberedEntry(session: Session, entry: HistoryEntry, tainted: boolean): MemoryEntry | undefined {
  const text = rememberedText(entry);
  const { role, seq, timestamp, message } = entry;
  if (role === 'reset' || text.trim() === '') return undefined;
  return {
    id: `${session.id}#${seq}`,
    kind: role,
    agent: session.agent,
    session: session.id,
    owner: ownerOf(session),
    channel: entry.origin?.channel ?? session.channel,
    sender: role === 'user' ? senderOf(session, entry) : `agent:${session.agent}`,
    reach: 'owner',
    trusted: role !== 'tool' && !tainted && !isFromOutside(entry),
    text,
    timestamp,
    message,
  };
}

function senderOf(session: Session, { origin, source }: HistoryEntry): string {
  if (source !== undefined) return `agent:${session.agent}`;
  return origin === undefined ? `${session.channel}:${session.user}` : `${origin.channel}:${origin.sender.id}`;
}

export function rememberedFact(agent: string, id: string, fact: FactRecord): MemoryEntry {
  return { id, kind: 'fact', agent, ...fact };
}

/** Reads what stands behind an id now; undefined: it is gone. */
export function readText(source: MemorySource, agent: string, id: string): string | undefined {
  const place = placeOf(id);
  if (place === undefined) return source.facts.get(agent, id)?.text;
  const entry = source.entry(place.session, place.seq);
  return entry && rememberedText(entry);
}

/** Where an entry of a transcript stands; undefined: it is the id of a fact. */
export function placeOf(id: string): { session: string; seq: number } | undefined {
  const at = id.lastIndexOf('#');
  return at < 0 ? undefined : { session: id.slice(0, at), seq: Number(id.slice(at + 1)) };
}
