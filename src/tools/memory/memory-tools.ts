import type { ShardMemory } from '../../memory/shard-memory.ts';
import type { Tool } from '../tool.ts';
import { memoryForget } from './forget.ts';
import { memorySave } from './save.ts';
import { memorySearch } from './search.ts';

/** The tools of the memory. They are there where it is switched off, so that the configuration may name them, and are not offered. */
export function memoryTools(memory: ShardMemory | undefined): Tool[] {
  const tools = [memorySearch(memory), memorySave(memory), memoryForget(memory)];
  if (memory !== undefined) return tools;
  return tools.map((tool) => ({ ...tool, unavailable: 'memory.enabled is false' }));
}
