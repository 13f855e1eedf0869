import type { Config } from '../../config/schema.ts';
import { type CodeSettings, codeTool } from '../code/code.ts';
import { createExecTools } from '../exec/exec.ts';
import { createFileTools } from '../files/files.ts';
import { ToolRegistry } from '../registry.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { calc } from './calc.ts';
import { timeNow } from './time.ts';

/** What some of the tools need; who leaves it out has registries without them. */
export interface ToolParts {
  code?: { settings: CodeSettings; sandbox: Sandbox };
}

/** The tools that come with the gateway, under the policy of `config`. What they need is loaded when they are called. */
export function createToolRegistry(config: Pick<Config, 'home' | 'tools'>, { code }: ToolParts = {}): ToolRegistry {
  const tools = [timeNow, calc, ...createFileTools(config), ...createExecTools(config)];
  if (code !== undefined) tools.push(codeTool(code.settings, (task) => code.sandbox.run(task)));
  return new ToolRegistry(tools, config.tools);
}
