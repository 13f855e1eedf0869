/** A workspace with files, and the tools a task has. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { configSchema } from '../../src/config/schema.ts';
import { calc } from '../../src/tools/builtin/calc.ts';
import { timeNow } from '../../src/tools/builtin/time.ts';
import { createFileTools } from '../../src/tools/files/files.ts';
import { defineTool, type Tool } from '../../src/tools/tool.ts';

export const SERVICES = ['auth', 'billing', 'cache', 'gate', 'mail', 'queue', 'search', 'users'];

/** Writes the files of all tasks. The same each time. */
export async function fillWorkspace(root: string): Promise<void> {
  const put = async (path: string, text: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  for (const [index, service] of SERVICES.entries()) {
    const lines = Array.from({ length: 60 }, (_, n) => {
      const level = (n * (index + 3)) % 7 === 0 && n % (index + 2) === 0 ? 'ERROR' : 'INFO';
      return `2026-03-0${(n % 9) + 1}T10:${String(n).padStart(2, '0')}:00Z ${level} ${service} request ${n * 37} took ${(n * 13) % 90} ms`;
    });
    await put(`logs/${service}.log`, `${lines.join('\n')}\n`);
    const config = {
      name: service,
      port: 8_000 + index,
      retries: 3,
      timeout: 30,
      owner: ['ada', 'grace', 'linus'][index % 3],
    };
    await put(`config/${service}.json`, `${JSON.stringify(config, null, 2)}\n`);
  }
  const orders = Array.from({ length: 80 }, (_, n) => `${1_000 + n},c${n % 7},${((n * 7_919) % 9_000) / 100 + 5}`);
  await put('data/orders.csv', `order,customer,amount\n${orders.join('\n')}\n`);
  const customers = ['Asha', 'Bruno', 'Chen', 'Dina', 'Egon', 'Farah', 'Goran'].map((name, n) => `c${n},${name}`);
  await put('data/customers.csv', `customer,name\n${customers.join('\n')}\n`);
  await put('chain/start.txt', 'The next file is chain/middle-4.txt.\n');
  await put('chain/middle-4.txt', 'Almost. The next file is chain/deep/end.txt.\n');
  await put('chain/deep/end.txt', 'The word is heliotrope.\n');
  await put('README.md', '# Services\n\nEight services and their logs.\n');
}

/** The gateway's own tools for files, sums and time, and one that tells of a process that ends when it was asked four times. */
export function taskTools(home: string): Tool[] {
  let asked = 0;
  const { tools } = configSchema.parse({});
  return [
    timeNow,
    calc,
    ...createFileTools({ home, tools }).filter(({ group }) => group === 'files'),
    defineTool({
      name: 'job.poll',
      group: 'exec',
      risk: 'safe',
      safeToRepeat: true,
      description: 'The state of a process that runs in the background, and its newest output.',
      input: z.strictObject({ id: z.string().describe('As it was named at its start.') }),
      returns: '{ state: "running" | "ended"; code?: number; output: string }',
      handler() {
        asked += 1;
        const output = Array.from({ length: Math.min(asked, 4) }, (_, n) => `step ${n + 1} of 4 done`).join('\n');
        return asked < 4 ? { state: 'running', output } : { state: 'ended', code: 0, output };
      },
    }),
  ];
}
