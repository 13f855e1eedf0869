import { configSchema } from '../../src/config/schema.ts';
import { createToolRegistry } from '../../src/tools/builtin/builtin.ts';
import type { ToolRegistry } from '../../src/tools/registry.ts';

/** The tools that come with the gateway, with the default configuration. */
export function builtinTools(): ToolRegistry {
  return createToolRegistry(configSchema.parse({}));
}
