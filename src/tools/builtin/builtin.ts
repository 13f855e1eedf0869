import type { Config } from '../../config/schema.ts';
import { codeTool } from '../code/code.ts';
import { createExecTools } from '../exec/exec.ts';
import { createFileTools } from '../files/files.ts';
import { ToolRegistry } from '../registry.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { calc } from './calc.ts';
import { timeNow } from './time.ts';

/**
 * The tools that come with the gateway, under the policy of `config`. What they need is loaded when they are called. Without
 * a `sandbox` there is no tool `code`.
 */
export function createToolRegistry(config: Pick<Config, 'home' | 'tools'>, sandbox?: Sandbox): ToolRegistry {
  const tools = [timeNow, calc, ...createFileTools(config), ...createExecTools(config)];
  if (sandbox !== undefined) tools.push(codeTool(config.tools.code, sandbox));
  return new ToolRegistry(tools, config.tools);
}
