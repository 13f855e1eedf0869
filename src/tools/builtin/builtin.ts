import type { Config } from '../../config/schema.ts';
import { browserTools } from '../browser/tools.ts';
import { type CodeSettings, codeTool } from '../code/code.ts';
import { createExecTools } from '../exec/exec.ts';
import { createFileTools } from '../files/files.ts';
import { ToolRegistry } from '../registry.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import type { ToolServices } from '../services.ts';
import { searchProvider } from '../web/search-provider.ts';
import { webTools } from '../web/tools.ts';
import { calc } from './calc.ts';
import { timeNow } from './time.ts';

/** What some of the tools need; who leaves it out has registries without them. */
export interface ToolParts {
  code?: { settings: CodeSettings; sandbox: Sandbox };
  /** For the web tools and the browser. */
  services?: ToolServices;
}

/** The tools that come with the gateway, under the policy of `config`. What they need is loaded when they are called. */
export function createToolRegistry(
  config: Pick<Config, 'home' | 'tools'>,
  { code, services }: ToolParts = {},
): ToolRegistry {
  const tools = [timeNow, calc, ...createFileTools(config), ...createExecTools(config)];
  if (services !== undefined) {
    tools.push(...webTools(services, searchProvider(config.tools.web) !== undefined), ...browserTools(services));
  }
  if (code !== undefined) tools.push(codeTool(code.settings, (task) => code.sandbox.run(task)));
  return new ToolRegistry(tools, config.tools);
}
