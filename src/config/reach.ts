/** What the tools that reach out of a session may do: `tools.sessions`, `tools.message` and `tools.schedule`. */
import { z } from 'zod';

/** A chat on an account of a channel, as `dhaavak send --to` has it: `telegram:123`, `telegram/work:123`. */
const target = z
  .string()
  .max(256)
  .regex(/^[a-z][a-z0-9-]*(\/[a-z][a-z0-9-]*)?:[^/\s]+(\/\S+)?$/, 'must be such as telegram:123 or telegram/work:123');

export const reachShape = {
  sessions: z
    .strictObject({
      /** What a session sees besides itself: nothing, the sub-agents it has spawned and theirs, or all of its agent. */
      visibility: z.enum(['self', 'tree', 'agent']).default('tree'),
      /** Sessions that may hand on, one to the next, what a person or a schedule has begun. */
      hopsMax: z.int().min(1).max(20).default(4),
      /** Sub-agents below sub-agents; 0: no session may spawn one. */
      depthMax: z.int().min(0).max(4).default(1),
      /** Sub-agents of one session that are at work, and of all sessions. */
      childrenMax: z.int().min(1).max(32).default(4),
      totalMax: z.int().min(1).max(10_000).default(64),
      /** Agents a sub-agent may be of, besides that of the session that spawns it. */
      agents: z.array(z.string().min(1)).max(100).default([]),
    })
    .prefault({}),
  message: z
    .strictObject({
      /** Chats that may be written to without an operator's approval, besides the one a session came from. */
      targets: z.array(target).max(1_000).default([]),
    })
    .prefault({}),
  schedule: z
    .strictObject({
      /** Schedules of one session, and of all. */
      perSessionMax: z.int().min(1).max(1_000).default(20),
      totalMax: z.int().min(1).max(100_000).default(10_000),
      /** Shortest time between two times at which one is due. Cron has no less than a minute. */
      intervalMinMs: z
        .int()
        .min(60_000)
        .max(24 * 3_600_000)
        .default(60_000),
    })
    .prefault({}),
};
