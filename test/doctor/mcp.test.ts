import { expect, it } from 'vitest';
import { mcpFinding } from '../../src/doctor/mcp.ts';
import type { McpServerStatus } from '../../src/protocol/messages.ts';

const status: McpServerStatus = {
  server: 'notes',
  state: 'ready',
  reason: null,
  since: 0,
  tools: 3,
  refused: [],
  calls: 0,
  failed: 0,
  restarts: 0,
};

it.each<[Partial<McpServerStatus>, string, string]>([
  [{}, 'ok', 'notes is connected, 3 tools'],
  [{ refused: ['Poke: poke is called mcp.notes.poke already'] }, 'warning', 'not offered: Poke: poke is called'],
  [{ state: 'connecting' }, 'warning', 'notes is not connected yet'],
  [{ state: 'waiting', reason: 'it ended with the exit code 9' }, 'warning', 'it ended with the exit code 9'],
  [{ state: 'failed', reason: 'given up' }, 'wrong', 'mend it, then run dhaavak mcp restart notes'],
])('a server that is %o is found %s', (changes, expected, text) => {
  const finding = mcpFinding({ ...status, ...changes });
  expect(finding).toMatchObject({ name: 'mcp', status: expected, text: expect.stringContaining(text) });
});
