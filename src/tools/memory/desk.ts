import type { MemoryReader } from '../../memory/entry.ts';
import type { ShardMemory } from '../../memory/shard-memory.ts';
import type { ToolCaller } from '../tool.ts';

/** The memory, and the session that calls as who recalls. Throws where it is switched off. */
export function deskOf(
  memory: ShardMemory | undefined,
  caller: ToolCaller,
): { memory: ShardMemory; reader: MemoryReader } {
  if (memory === undefined) throw new Error('there is no memory here: do without it');
  return { memory, reader: memory.readerOf(caller) };
}
