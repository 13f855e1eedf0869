import type { Config } from '../../config/schema.ts';
import { browserTools } from '../browser/tools.ts';
import { createExecTools } from '../exec/exec.ts';
import { createFileTools } from '../files/files.ts';
import { ToolRegistry } from '../registry.ts';
import type { ToolServices } from '../services.ts';
import { webTools } from '../web/tools.ts';
import { calc } from './calc.ts';
import { timeNow } from './time.ts';

/**
 * The tools that come with the gateway, under the policy of `config`. What they need is loaded when they are called. Without
 * `services`, which only a gateway has, those are left out that have their work done by them.
 */
export function createToolRegistry(config: Pick<Config, 'home' | 'tools'>, services?: ToolServices): ToolRegistry {
  const shared = services === undefined ? [] : [...webTools(services, config.tools.web), ...browserTools(services)];
  const tools = [timeNow, calc, ...createFileTools(config), ...createExecTools(config), ...shared];
  return new ToolRegistry(tools, config.tools);
}
