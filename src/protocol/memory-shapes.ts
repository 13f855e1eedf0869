/** What replies tell of an agent's memory, as zod schemas; see shapes.ts for what they are for and why a gateway never loads them. */
import { z } from 'zod';
import { time } from './shapes.ts';
import { id, MEMORY_KINDS, REACHES, sessionKey } from './vocabulary.ts';

/** Something that was said or saved, as it is found again. */
export const memoryResult = z.strictObject({
  /** `<session>#<seq>` of an entry of a transcript, or the id of a fact. */
  id: z.string(),
  kind: z.enum(MEMORY_KINDS),
  session: sessionKey,
  /** Whose session that is, such as `main` or `dm:telegram:123`. */
  owner: z.string(),
  channel: z.string(),
  /** Who said it, such as `telegram:123`, or `agent:main`. */
  sender: z.string(),
  /** The passage that was found. */
  text: z.string(),
  timestamp: time,
  /** The user's message it belongs to; empty: none. */
  message: z.string(),
  reach: z.enum(REACHES),
  trusted: z.boolean(),
  /** Higher is better, within one search. */
  score: z.number(),
  /** Which halves of the search have found it. */
  by: z.array(z.enum(['words', 'meaning'])).readonly(),
});

/** Something an agent was told to remember. */
export const factInfo = z.strictObject({
  /** Its id. */
  fact: id,
  text: z.string(),
  reach: z.enum(REACHES),
  /** False: it was saved with something from outside before the model, and is never recalled unasked. */
  trusted: z.boolean(),
  session: sessionKey,
  owner: z.string(),
  channel: z.string(),
  sender: z.string(),
  message: z.string(),
  timestamp: time,
});
