import type { Config } from '../../config/schema.ts';
import { browserTools } from '../browser/tools.ts';
import { ToolRegistry } from '../registry.ts';
import type { ToolServices } from '../services.ts';
import { searchProvider } from '../web/search-provider.ts';
import { webTools } from '../web/tools.ts';
import { calc } from './calc.ts';
import { timeNow } from './time.ts';

/** What the tools of a gateway need that others do without. */
export interface ToolSetup {
  config: Config;
  services: ToolServices;
}

/** The tools that come with the gateway; without a setup those only that need none. */
export function createToolRegistry(setup?: ToolSetup): ToolRegistry {
  const registry = new ToolRegistry([timeNow, calc]);
  if (setup === undefined) return registry;
  const { config, services } = setup;
  const searchConfigured = searchProvider(config) !== undefined;
  for (const tool of [...webTools(services, searchConfigured), ...browserTools(services)]) registry.register(tool);
  return registry;
}
