import { ToolRegistry } from '../registry.ts';
import { calc } from './calc.ts';
import { timeNow } from './time.ts';

/** The tools that come with the gateway. */
export function createToolRegistry(): ToolRegistry {
  return new ToolRegistry([timeNow, calc]);
}
