import { z } from 'zod';
import type { ShardMemory } from '../../memory/shard-memory.ts';
import { defineTool, type Tool } from '../tool.ts';
import { deskOf } from './desk.ts';

const input = z.strictObject({
  id: z.string().min(1).max(320).describe('Of a fact, as memory.search and memory.save tell it.'),
});

/** `memory.forget`: a fact that is not true any more, or that somebody wants gone. */
export function memoryForget(of: ShardMemory | undefined): Tool {
  return defineTool({
    name: 'memory.forget',
    group: 'memory',
    description: 'Forgets a fact that was saved. To change one, forget it and save the new one.',
    input,
    risk: 'safe',
    safeToRepeat: true,
    returns: 'string',
    async handler({ id }, { caller }) {
      const { memory, reader } = deskOf(of, caller);
      if (id.includes('#')) {
        throw new Error(
          'what was said in a conversation cannot be forgotten like that: it goes when its session is deleted',
        );
      }
      if (await memory.facts.forget(reader, id)) return `The fact ${id} is forgotten.`;
      throw new Error(
        `there is no fact ${id} that you may forget; memory.search with kinds ["fact"] finds those there are`,
      );
    },
  });
}
