import type { Config } from '../config/schema.ts';
import { PLUGIN_PREFIX } from '../plugins/names.ts';
import { createToolRegistry } from './builtin/builtin.ts';
import { prefixOf } from './mcp/names.ts';
import { memoryTools } from './memory/memory-tools.ts';
import type { ToolRegistry } from './registry.ts';
import { reachTools } from './sessions/reach.ts';

/** Stands for what only calls use. */
const UNUSED = {} as never;

/** The tools a gateway would have with `config`, to look at and never to be called: without one that runs. */
export function knownTools(config: Config): ToolRegistry {
  const code = { settings: config.tools.code, sandbox: UNUSED };
  const registry = createToolRegistry(config, { code, services: UNUSED });
  for (const tool of [...reachTools(UNUSED), ...memoryTools(undefined)]) registry.register(tool);
  registry.addSource({ prefix: PLUGIN_PREFIX, state: () => '' });
  for (const server of Object.keys(config.tools.mcp.servers)) {
    registry.addSource({ prefix: prefixOf(server), state: () => '' });
  }
  return registry;
}
