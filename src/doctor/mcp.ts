import type { McpServerStatus } from '../protocol/messages.ts';
import { type Finding, ok, warning, wrong } from './finding.ts';

/** What a gateway says of one of its MCP servers. */
export function mcpFinding({ server, state, reason, tools, refused }: McpServerStatus): Finding {
  switch (state) {
    case 'failed':
      return wrong(
        'mcp',
        `${server}: ${reason}; mend it, then run dhaavak mcp restart ${server}; a change of tools.mcp.servers needs a start of the gateway`,
      );
    case 'waiting':
    case 'connecting':
      return warning('mcp', `${server} is not connected${reason === null ? ' yet' : `: ${reason}`}`);
    case 'ready':
      if (refused.length === 0) return ok('mcp', `${server} is connected, ${tools} tools`);
      return warning('mcp', `${server} is connected, ${tools} tools; not offered: ${refused.join('; ')}`);
  }
}
