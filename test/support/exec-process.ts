/**
 * A process that runs two commands as a gateway does, one of them in the background, and waits to be killed:
 *
 *     node exec-process.ts <home> <workspace> <sandboxed>
 *
 * Each command, through a process that it starts, adds to the file `beats` all the time. Prints a line when both run.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { configSchema } from '../../src/config/schema.ts';
import { createToolRegistry } from '../../src/tools/builtin/builtin.ts';
import { toolCaller } from './tool-caller.ts';

const [home, workspace, sandboxed] = process.argv.slice(2) as [string, string, string];
const registry = createToolRegistry({ ...configSchema.parse({}), home });
const caller = toolCaller({ workspace, sandboxed: sandboxed === 'true' });
const view = registry.view({ tools: ['exec'], approve: [] }, caller);
const context = { signal: new AbortController().signal, approve: async () => ({ allowed: true as const }) };
const exec = (name: string, background: boolean) => {
  const command = `touch ${name}; (while true; do echo ${name} >> beats; sleep 0.05; done) & wait`;
  return view.execute({ id: name, name: 'exec', input: { command, background } }, context);
};

void exec('fore', false);
await exec('back', true);
const made = (name: string) => stat(join(workspace, name)).catch(() => undefined);
while (!(await made('fore')) || !(await made('back'))) await new Promise((resolve) => setTimeout(resolve, 20));
console.log('both run');
setInterval(() => undefined, 1_000);
