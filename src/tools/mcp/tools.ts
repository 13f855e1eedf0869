/** The tools of MCP servers in the registry of a shard: they come and go with their servers. */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { ToolRegistry } from '../registry.ts';
import { defineTool, type Tool } from '../tool.ts';
import { UntrustedError } from '../untrusted.ts';
import type { McpOffer, McpServices, McpTool } from './messages.ts';
import { prefixOf } from './names.ts';

const GROUP = 'mcp';
/** Its server checks the rest. */
const anyObject = z.looseObject({});

export class McpTools {
  readonly #registry: ToolRegistry;
  readonly #services: McpServices;
  readonly #log: Logger;
  readonly #offers = new Map<string, McpOffer>();

  /** @param servers those in the configuration: tools of theirs may be named before they are there */
  constructor(registry: ToolRegistry, servers: readonly string[], services: McpServices, log: Logger) {
    this.#registry = registry;
    this.#services = services;
    this.#log = log;
    for (const server of servers) {
      registry.addSource({
        prefix: prefixOf(server),
        state: () => `the MCP server ${server}: ${this.#offers.get(server)?.state ?? 'it is being connected'}`,
      });
    }
  }

  /** A server has other tools than before, or none. */
  take(offer: McpOffer): void {
    const before = this.#offers.get(offer.server);
    this.#offers.set(offer.server, offer);
    // Views of models, and what providers keep by them, are made anew only when there is something new in them.
    if (before !== undefined && JSON.stringify(before.tools) === JSON.stringify(offer.tools)) return;
    for (const { name } of before?.tools ?? []) this.#registry.unregister(name);
    for (const tool of offer.tools) {
      try {
        this.#registry.register(this.#made(offer.server, tool));
      } catch (error) {
        this.#log.error({ error, server: offer.server }, 'a tool of an MCP server is not offered');
      }
    }
  }

  #made(server: string, { name, tool, description, inputSchema, risk, safeToRepeat }: McpTool): Tool {
    return defineTool({
      name,
      group: GROUP,
      description,
      input: anyObject,
      inputSchema,
      risk,
      safeToRepeat,
      untrusted: true,
      returns: 'string',
      handler: async (input, { signal }) => {
        const id = randomUUID();
        const cancel = (): void => this.#services.cancel(id);
        signal.addEventListener('abort', cancel, { once: true });
        try {
          const { text, failed, foreign } = await this.#services.call({ id, server, tool, input });
          if (failed) throw foreign ? new UntrustedError(text) : new Error(text);
          return text;
        } finally {
          signal.removeEventListener('abort', cancel);
        }
      },
    });
  }
}
