import { z } from 'zod';
import type { MemoryFilter, MemoryHit } from '../../memory/backend.ts';
import { QUERY_LENGTH_MAX } from '../../memory/backend.ts';
import type { ShardMemory } from '../../memory/shard-memory.ts';
import { MEMORY_KINDS } from '../../protocol/vocabulary.ts';
import { defineTool, type Tool } from '../tool.ts';
import { UntrustedResult } from '../untrusted.ts';
import { deskOf } from './desk.ts';

const RESULTS_MAX = 20;
const RESULTS = 8;
/** What may be found beside the results: the message that asks is the best match of all, and is left out. */
const OVER = 4;
/** Longest text of one result, and of all, in UTF-16 code units. */
const RESULT_LENGTH_MAX = 1_000;
const ALL_LENGTH_MAX = 16_000;

const time = z.union([z.number().nonnegative(), z.string().max(40)]);

const input = z.strictObject({
  query: z.string().min(1).max(QUERY_LENGTH_MAX).describe('What it is about, in words that may have been used.'),
  kinds: z
    .array(z.enum(MEMORY_KINDS))
    .min(1)
    .max(MEMORY_KINDS.length)
    .optional()
    .describe('Only these; "fact" is what was saved.'),
  after: time.optional().describe('Only since then: "2026-11-01", or milliseconds.'),
  before: time.optional().describe('Only before that.'),
  limit: z.int().min(1).max(RESULTS_MAX).default(RESULTS),
});

type Input = z.output<typeof input>;

/** `memory.search`: what was said earlier, and what was saved. */
export function memorySearch(of: ShardMemory | undefined): Tool {
  return defineTool<Input>({
    name: 'memory.search',
    group: 'memory',
    description:
      'Searches what was said in earlier conversations you may look into and what you have saved, by words and by meaning. One JSON object a line, the best first. What is in your context already need not be searched.',
    input,
    risk: 'safe',
    safeToRepeat: true,
    returns: 'string',
    async handler({ query, kinds, after, before, limit }, { caller, signal }) {
      const { memory, reader } = deskOf(of, caller);
      const filter: MemoryFilter = {
        ...(kinds !== undefined && { kinds }),
        ...(after !== undefined && { after: timeOf('after', after) }),
        ...(before !== undefined && { before: timeOf('before', before) }),
      };
      const asked = { text: query, reader, limit: limit + OVER, filter };
      const found = await memory.search(asked, signal);
      const hits = found.filter(({ entry }) => !isAsking(entry, caller)).slice(0, limit);
      if (hits.length === 0) return 'Nothing was found. Try other words, or ask whoever you talk to.';
      const text = linesThatFit(hits.map(line)).join('\n');
      const isOwn = hits.every(({ entry }) => entry.trusted && entry.owner === reader.owner);
      return isOwn ? text : new UntrustedResult(text);
    },
  });
}

/** Whether it is of the turn that searches: its model has that before it. A fact is no part of a turn. */
function isAsking(
  { kind, message, session }: MemoryHit['entry'],
  caller: { session: string; message: string },
): boolean {
  return kind !== 'fact' && session === caller.session && message === caller.message;
}

function line({ entry: { id, kind, session, sender, text, timestamp, trusted } }: MemoryHit): string {
  const cut = text.length > RESULT_LENGTH_MAX ? `${text.slice(0, RESULT_LENGTH_MAX)} [… cut]` : text;
  const at = new Date(timestamp).toISOString();
  return JSON.stringify({ id, kind, at, session, by: sender, ...(!trusted && { trusted }), text: cut });
}

/** At least one. */
function linesThatFit(lines: readonly string[]): readonly string[] {
  let length = 0;
  const end = lines.findIndex((one, index) => {
    length += one.length;
    return index > 0 && length > ALL_LENGTH_MAX;
  });
  return end < 0 ? lines : [...lines.slice(0, end), `[${lines.length - end} more are left out: ask for less at once]`];
}

/** Milliseconds since the epoch. */
function timeOf(field: string, given: number | string): number {
  const time = typeof given === 'number' ? given : Date.parse(given);
  if (!Number.isNaN(time)) return time;
  throw new Error(`${field}: "${given}" is no time: write 2026-11-01 or 2026-11-01T09:00:00Z, or milliseconds`);
}
