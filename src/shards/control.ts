/**
 * Rare calls between the front end and a shard, through comlink: readable code, about 110 µs a call, never on the
 * message path.
 */
import type { ProxyMarked } from 'comlink';
import type { Config } from '../config/schema.ts';
import type { MemoryCalls } from '../memory/remote.ts';
import type { PluginOffer } from '../plugins/offer.ts';
import type { PairingEvent } from '../protocol/messages.ts';
import type { McpAnswer, McpCall, McpOffer } from '../tools/mcp/messages.ts';
import type { ToolServices } from '../tools/services.ts';
import type { LinkEnd } from './link.ts';

/** What a worker thread is started with. */
export interface ShardData {
  index: number;
  shards: number;
  config: Config;
  link: LinkEnd;
  control: import('node:worker_threads').MessagePort;
  /** One counter that the shard raises while its event loop turns. */
  heartbeat: SharedArrayBuffer;
  /** 1 when the store may be opened; a shard waits for it with its modules loaded. */
  storeReady: SharedArrayBuffer;
  /** It begins with its runs paused. */
  paused: boolean;
  /** What MCP servers have at the moment, where there are any. */
  mcpOffers: readonly McpOffer[];
}

export interface ShardStats {
  sessions: number;
  running: number;
  queued: number;
  deadLetters: number;
  /** Damaged values of the store it has read. */
  damaged: number;
  /** Since it was asked last, in milliseconds; see `telemetry/loop-lag.ts`. */
  loopLagMs: { p99: number; max: number };
}

/** What the front end may ask of a shard. */
export interface ShardControl {
  stats(): ShardStats;
  /** Ends the pause it began with. */
  resumeRuns(): void;
  /** An MCP server has other tools than before. */
  takeMcpOffer(offer: McpOffer): void;
  /** A plugin is another than before, or gone. */
  takePluginOffer(offer: PluginOffer): Promise<void>;
  /** Starts no more runs, waits up to `timeoutMs` for those that run, closes the store. Accepted work stays journalled. */
  drain(timeoutMs: number): Promise<{ finished: boolean }>;
}

/** What a shard may ask of the front end's process. */
export interface MainServices {
  /** Called once, when the shard takes requests. */
  ready(): void;
  /** Why the shard cannot write its journal; undefined: it can again. */
  storeTrouble(trouble: string | undefined): void;
  /** Tokens in each text, counted in the compute pool (GPT-4o's encoding: an estimate for any other model). */
  countTokens(texts: string[]): Promise<number[]>;
  /** An operator resolved a request to be let in on a channel. */
  tellPairing(event: PairingEvent): void;
  /** What tools have done for them. */
  tools: ToolServices & ProxyMarked;
  /** What the memory thread does for them; shards use it through `remoteMemory`. Only where `memory.enabled`. */
  memory: MemoryCalls & ProxyMarked;
  /** Has a tool of an MCP server called; whatever goes wrong is an answer. */
  callMcp(call: McpCall): Promise<McpAnswer>;
  cancelMcp(id: string): void;
  /** What there is of plugins, once they have been loaded or that takes too long. */
  pluginOffers(): Promise<PluginOffer[]>;
  /** Something of a plugin went wrong on the shard. */
  pluginFault(plugin: string, reason: string): void;
}

/** What ids of a shard's requests to sessions begin with: a shard that comes after another has a link of its own. */
export const PEER_GENERATION = 'peer';

/** How often a shard raises its heartbeat, in milliseconds. */
export const HEARTBEAT_MS = 100;
