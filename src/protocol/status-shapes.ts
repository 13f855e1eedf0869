/** What replies tell operators of the gateway itself, as zod schemas; see shapes.ts for what they are for and why a gateway never loads them. */
import { z } from 'zod';
import { channelStatus, count, gatewayCounters, shardStatus, time } from './shapes.ts';
import { MCP_STATES, PLUGIN_STATES } from './vocabulary.ts';

/** How one MCP server is. Counts are since the process that is connected to it started. */
export const mcpServerStatus = z.strictObject({
  server: z.string(),
  state: z.enum(MCP_STATES),
  /** Why it is so, for an operator. */
  reason: z.string().nullable(),
  /** When it became so. */
  since: time,
  /** Tools that are offered to agents. */
  tools: count,
  /** Why others are not, the first 16. */
  refused: z.array(z.string()),
  calls: count,
  /** Calls that the server refused or did not answer. */
  failed: count,
  /** Connections after the first. */
  restarts: count,
});

/** How one plugin is. */
export const pluginStatus = z.strictObject({
  plugin: z.string(),
  /** Of what is in use; null: nothing is. */
  version: z.string().nullable(),
  trusted: z.boolean(),
  state: z.enum(PLUGIN_STATES),
  /** Why it failed, or why an older version of it goes on, for an operator. */
  reason: z.string().nullable(),
  /** When it became so. */
  since: time,
  /** What of it is in use: `tools`, `channel`, `provider`, `memory`, `routes`. */
  kinds: z.array(z.string()),
  /** Tools that are offered to agents. */
  tools: count,
  /** What it lacks: kinds that need trust, and what it asks for and was not given. */
  notes: z.array(z.string()),
  /** Times something of it went wrong, and the last of them. */
  faults: count,
  lastFault: z.string().nullable(),
});

/** The memory of one agent. */
export const memoryStatus = z.strictObject({
  agent: z.string(),
  backend: z.string(),
  /** Entries that can be found. */
  entries: count,
  /** Entries that are yet to be taken in, or texts to be embedded. */
  pending: count,
  /** Which embedder makes its vectors; empty: none yet. */
  embedder: z.string(),
  /** Why it does not do what it should. */
  trouble: z.string().exactOptional(),
});

export const gatewayStatus = z.strictObject({
  version: z.string(),
  uptimeMs: count,
  connections: count,
  rssBytes: count,
  /** How late the front end's event loop was, in milliseconds, since the last `status` of anybody. */
  loopLagMs: z.strictObject({ p99: z.number(), max: z.number() }),
  shards: z.array(shardStatus),
  /** The model that answers where nobody names one. */
  model: z.string(),
  counters: gatewayCounters,
  channels: z.array(channelStatus),
  mcp: z.array(mcpServerStatus),
  plugins: z.array(pluginStatus),
  /** Of each agent; empty while the memory's thread does not run. */
  memory: z.array(memoryStatus).readonly(),
  /** Why `/ready` says 503; null: the gateway is ready. */
  trouble: z.string().nullable(),
  /** Nothing runs until `runs.resume`: the gateway crashed too often. */
  runsPaused: z.boolean(),
  storage: z.strictObject({ bytes: count, diskFreeBytes: count }),
});

/** What was found when all of a store was read. */
export const storeCheck = z.strictObject({
  /** The version it is of, null where that cannot be read, and the one this gateway reads and writes. */
  version: z.int().nullable(),
  versionKnown: z.int(),
  bytes: count,
  /** Records by table, as the store counts them. */
  records: z.record(z.string(), count),
  /** Damage to the file itself: how much, and the first of it in words. */
  structure: z.strictObject({ damages: count, first: z.array(z.string()) }),
  /** Records whose values are damaged, the first of them by table and key, and how many there are. */
  damaged: z.array(z.strictObject({ table: z.string(), key: z.string() })),
  damagedTotal: count,
});
