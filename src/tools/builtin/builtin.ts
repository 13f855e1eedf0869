import type { Config } from '../../config/schema.ts';
import { createExecTools } from '../exec/exec.ts';
import { createFileTools } from '../files/files.ts';
import { ToolRegistry } from '../registry.ts';
import { calc } from './calc.ts';
import { timeNow } from './time.ts';

/** The tools that come with the gateway, under the policy of `config`. What they need is loaded when they are called. */
export function createToolRegistry(config: Pick<Config, 'home' | 'tools'>): ToolRegistry {
  return new ToolRegistry([timeNow, calc, ...createFileTools(config), ...createExecTools(config)], config.tools);
}
