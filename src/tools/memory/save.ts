import { z } from 'zod';
import { FACT_LENGTH_MAX } from '../../memory/entry.ts';
import type { SavedFact } from '../../memory/facts.ts';
import type { ShardMemory } from '../../memory/shard-memory.ts';
import { REACHES } from '../../protocol/vocabulary.ts';
import { hasReadOutside, riskOfSending, WHY_ASKED } from '../outside.ts';
import { callKey } from '../sessions/desk.ts';
import { defineTool, type Tool } from '../tool.ts';
import { deskOf } from './desk.ts';

const input = z.strictObject({
  text: z
    .string()
    .min(1)
    .max(FACT_LENGTH_MAX)
    .describe('A sentence or two that can be understood without this conversation: names instead of "he" and "there".'),
  reach: z
    .enum(REACHES)
    .optional()
    .describe(
      'Who recalls it: this conversation ("session"), whoever you talk to here ("owner"), or everybody you talk to ("agent").',
    ),
});

type Input = z.output<typeof input>;

const WHO = {
  session: 'in this conversation',
  owner: 'wherever you talk to the same owner',
  agent: 'in all your conversations',
} as const;

/** `memory.save`: something to be remembered beyond the conversation. */
export function memorySave(of: ShardMemory | undefined): Tool {
  return defineTool<Input>({
    name: 'memory.save',
    group: 'memory',
    description:
      'Remembers something for later conversations, such as a preference, a decision or a date. It may be put before you when it matters, and memory.search finds it. Save what will still be of use in weeks, and no secrets.',
    input,
    risk: 'safe',
    // What everybody the agent talks to recalls, a stranger can ask for.
    riskOf: ({ reach }, context) => (reach === 'agent' ? riskOfSending(context) : 'safe'),
    binding: async ({ reach }, context) => (reach === 'agent' && hasReadOutside(context) ? WHY_ASKED : {}),
    safeToRepeat: true,
    returns: 'string',
    async handler({ text, reach }, context) {
      const { caller } = context;
      const { memory, reader } = deskOf(of, caller);
      const saved = await memory.facts.save(reader, {
        ...{ text, reach, trusted: !context.tainted, message: caller.message },
        channel: caller.origin?.channel ?? caller.channel,
        sender: senderOf(caller),
        key: callKey(context, { text, reach }),
      });
      return told(saved, context.tainted);
    },
  });
}

/** Who asked for it: whoever said the message, where a channel brought it, or else the agent. */
function senderOf({
  agent,
  origin,
}: {
  agent: string;
  origin: { channel: string; sender: { id: string } } | undefined;
}) {
  return origin === undefined ? `agent:${agent}` : `${origin.channel}:${origin.sender.id}`;
}

function told({ id, fact, known }: SavedFact, tainted: boolean): string {
  const { reach, text, trusted } = fact;
  const head = known ? 'It was saved already' : 'It is saved';
  const doubt =
    trusted || !tainted
      ? ''
      : ' Since something from outside is in your context, it is not put before you unasked: only memory.search finds it.';
  return `${head} as the fact ${id}, and can be recalled ${WHO[reach]}: ${JSON.stringify(text)}.${doubt}`;
}
