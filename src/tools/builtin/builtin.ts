import type { ToolsConfig } from '../../config/tools.ts';
import { ToolRegistry } from '../registry.ts';
import { calc } from './calc.ts';
import { timeNow } from './time.ts';

/** The tools that come with the gateway, under the policy of `settings`; without them under the default one. */
export function createToolRegistry(settings?: ToolsConfig): ToolRegistry {
  return new ToolRegistry([timeNow, calc], settings);
}
