import { type CodeSettings, codeTool } from '../code/code.ts';
import type { PolicySettings } from '../policy.ts';
import { ToolRegistry } from '../registry.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { calc } from './calc.ts';
import { timeNow } from './time.ts';

/** What some of the tools need; who leaves it out has registries without them. */
export interface ToolParts {
  code?: { settings: CodeSettings; sandbox: Sandbox };
}

/** The tools that come with the gateway, under the policy of `settings`; without them under none, as in tests of theirs. */
export function createToolRegistry(settings?: PolicySettings, { code }: ToolParts = {}): ToolRegistry {
  const tools = [timeNow, calc];
  if (code !== undefined) tools.push(codeTool(code.settings, (task) => code.sandbox.run(task)));
  return new ToolRegistry(tools, settings);
}
