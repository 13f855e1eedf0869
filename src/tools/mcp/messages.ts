/**
 * What is said of MCP servers between the three who have to do with them: the process that is connected to them
 * (`host-process.ts`), the gateway's main thread that runs it (`host.ts`), and the shards, whose sessions call (`tools.ts`).
 */
import type { McpServerConfig } from '../../config/mcp.ts';
import type { McpServerStatus } from '../../protocol/messages.ts';

/** A tool of a server, as it is put into the registry. */
export interface McpTool {
  /** In the registry: `mcp.notes.add_note`. */
  name: string;
  /** At the server: `addNote`. */
  tool: string;
  description: string;
  /** As the server has it. */
  inputSchema: Record<string, unknown>;
  risk: 'safe' | 'ask';
  safeToRepeat: boolean;
}

/** A server and what it has at the moment. */
export interface McpOffer {
  server: string;
  /** How it is, for a model that calls a tool which is not there: `it is being connected`. */
  state: string;
  tools: readonly McpTool[];
}

export interface McpCall {
  /** No other call has it. */
  id: string;
  server: string;
  /** The server's own name of the tool. */
  tool: string;
  input: unknown;
}

/** What came of a call; `text` is within the limit of a result. */
export interface McpAnswer {
  text: string;
  failed: boolean;
  /** The text is the server's, not ours. */
  foreign: boolean;
}

/** What a shard has done for its sessions. Neither rejects. */
export interface McpServices {
  call(call: McpCall): Promise<McpAnswer>;
  /** Ends a call early: its server is told, and its answer is a failed one at once. */
  cancel(id: string): void;
}

/** From the main thread to the process, the first of them `start`. */
export type ToHost =
  | { type: 'start'; servers: Record<string, McpServerConfig>; logLevel: string }
  | { type: 'call'; call: McpCall }
  | { type: 'cancel'; id: string }
  | { type: 'restart'; server: string }
  | { type: 'ping' }
  | { type: 'stop' };

/** From the process to the main thread. */
export type FromHost =
  | { type: 'status'; status: McpServerStatus }
  | { type: 'offer'; offer: McpOffer }
  | { type: 'answer'; id: string; answer: McpAnswer }
  /** The group of processes of a server, to be ended should this process die without having done so; null: it has ended. */
  | { type: 'group'; server: string; pid: number | null }
  | { type: 'pong' };

export function ours(text: string): McpAnswer {
  return { text, failed: true, foreign: false };
}
