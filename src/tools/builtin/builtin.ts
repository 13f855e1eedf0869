import type { PolicySettings } from '../policy.ts';
import { ToolRegistry } from '../registry.ts';
import { calc } from './calc.ts';
import { timeNow } from './time.ts';

/** The tools that come with the gateway, under the policy of `settings`; without them under none, as in tests of theirs. */
export function createToolRegistry(settings?: PolicySettings): ToolRegistry {
  return new ToolRegistry([timeNow, calc], settings);
}
