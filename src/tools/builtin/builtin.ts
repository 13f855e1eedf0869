import type { ToolsConfig } from '../../config/tools.ts';
import { browserTools } from '../browser/tools.ts';
import type { PolicySettings } from '../policy.ts';
import { ToolRegistry } from '../registry.ts';
import type { ToolServices } from '../services.ts';
import { searchProvider } from '../web/search-provider.ts';
import { webTools } from '../web/tools.ts';
import { calc } from './calc.ts';
import { timeNow } from './time.ts';

/** The tools that come with the gateway, under the policy of `settings`; without them under none, as in tests of theirs. */
export function createToolRegistry(settings?: PolicySettings): ToolRegistry;
/** With those that have their work done by `services`. */
export function createToolRegistry(settings: ToolsConfig, services: ToolServices): ToolRegistry;
export function createToolRegistry(settings?: PolicySettings | ToolsConfig, services?: ToolServices): ToolRegistry {
  const shared = services !== undefined && settings !== undefined && 'web' in settings;
  const web = shared ? webTools(services, searchProvider(settings.web) !== undefined) : [];
  return new ToolRegistry([timeNow, calc, ...web, ...(shared ? browserTools(services) : [])], settings);
}
