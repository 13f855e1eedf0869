import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { ClientFlags } from '../connection.ts';
import { EXIT } from '../exit.ts';
import { GatewayLink } from '../gateway-link.ts';
import { createMcpServer } from '../mcp-server.ts';

/**
 * Is an MCP server on the standard streams until its input ends: for desktop assistants, which start it. Standard output
 * is the protocol's, so that nothing else may be written there. Returns the exit code.
 */
export async function mcp(flags: ClientFlags): Promise<number> {
  await using link = new GatewayLink(flags);
  const server = createMcpServer(() => link.client());
  const ended = new Promise<void>((resolve) => {
    server.server.onclose = resolve;
    process.stdin.once('end', resolve);
    process.stdin.once('close', resolve);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  await server.connect(new StdioServerTransport());
  await ended;
  await server.close();
  return EXIT.ok;
}
