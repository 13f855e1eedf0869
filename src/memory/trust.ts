import type { HistoryEntry } from '../protocol/messages.ts';
import { isFramed } from '../tools/untrusted.ts';

/**
 * Whether an entry came from outside, or was written with something from there before the model: it is not to be trusted, and
 * neither is what was said in its turn after it. Entries from before there were marks of their own are known by those in their text.
 */
export function isFromOutside({
  role,
  source,
  text,
  toolCall,
  untrusted,
}: Pick<HistoryEntry, 'role' | 'source' | 'text' | 'toolCall' | 'untrusted'>): boolean {
  if (untrusted === true || toolCall?.untrusted === true || source !== undefined) return true;
  return role !== 'user' && role !== 'assistant' && isFramed(text);
}
