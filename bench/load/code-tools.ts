/** A workspace with files, and the tools a task has: names, descriptions and inputs as an agent has them, at work on a real folder. */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { calc } from '../../src/tools/builtin/calc.ts';
import { timeNow } from '../../src/tools/builtin/time.ts';
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

const path = z.string().min(1).max(2_048).describe('Relative to the workspace, such as "notes/today.md".');
const folder = z.string().max(2_048).default('.').describe('A folder, relative to the workspace.');

export function taskTools(root: string): Tool[] {
  const base = { group: 'files', risk: 'safe' as const, safeToRepeat: true };
  let asked = 0;
  return [
    timeNow,
    calc,
    defineTool({
      ...base,
      name: 'files.read',
      description:
        'Reads a text file of the workspace. Returns its lines, without numbers; for a long file a page of them and how to go on. Of a file that is no text it says what it is.',
      input: z.strictObject({
        path,
        offset: z.int().min(1).default(1).describe('The first line to return, from 1.'),
        limit: z.int().min(1).max(2_000).default(500).describe('How many lines.'),
      }),
      returns: 'string',
      handler: async ({ path, offset, limit }) =>
        (await readFile(join(root, path), 'utf8'))
          .split('\n')
          .slice(offset - 1, offset - 1 + limit)
          .join('\n'),
    }),
    defineTool({
      ...base,
      name: 'files.write',
      description:
        'Writes a text file of the workspace whole, with the folders on the way to it; a file that is there is replaced. To change a part of a file use files.edit.',
      input: z.strictObject({ path, content: z.string().describe('All there will be in the file.') }),
      returns: 'string',
      async handler({ path, content }) {
        await mkdir(dirname(join(root, path)), { recursive: true });
        await writeFile(join(root, path), content);
        return `Wrote ${path}: ${content.length} bytes.`;
      },
    }),
    defineTool({
      ...base,
      name: 'files.edit',
      description:
        'Replaces text in a file of the workspace. The old text must be in the file exactly once, white space included, or all be set; take it from files.read. Returns what changed.',
      input: z.strictObject({
        path,
        old: z.string().min(1).describe('The text to replace, exactly as in the file.'),
        new: z.string().describe('What is to stand there instead.'),
        all: z.boolean().default(false).describe('Replace every occurrence.'),
      }),
      returns: 'string',
      async handler({ path, old, new: next, all }) {
        const text = await readFile(join(root, path), 'utf8');
        const count = text.split(old).length - 1;
        if (count === 0 || (count > 1 && !all)) throw new Error(`the old text is in ${path} ${count} times`);
        await writeFile(join(root, path), text.replaceAll(old, next));
        return `Replaced ${count} in ${path}.`;
      },
    }),
    defineTool({
      ...base,
      name: 'files.list',
      description:
        'Lists a folder of the workspace: a line an entry, folders with a slash, files with their size in bytes. .git and node_modules are named but not entered.',
      input: z.strictObject({
        path: folder,
        depth: z.int().min(1).max(8).default(1).describe('How deep into its folders; 1: not at all.'),
      }),
      returns: 'string',
      async handler({ path }) {
        const names = (await readdir(join(root, path))).toSorted();
        const lines = names.map(async (name) => `${name} ${(await stat(join(root, path, name))).size}`);
        return (await Promise.all(lines)).join('\n');
      },
    }),
    defineTool({
      ...base,
      name: 'files.search',
      description:
        'Finds lines in the text files of the workspace. Returns path:line: text for each. .git, node_modules, links and files over 4 MiB are passed over.',
      input: z.strictObject({
        pattern: z.string().min(1).max(1_000).describe('Plain text, or a JavaScript expression with regex.'),
        path: folder,
      }),
      returns: 'string',
      async handler({ pattern, path }) {
        const found: string[] = [];
        for (const name of (await readdir(join(root, path))).toSorted()) {
          const lines = (await readFile(join(root, path, name), 'utf8')).split('\n');
          for (const [n, line] of lines.entries())
            if (line.includes(pattern)) found.push(`${path}/${name}:${n + 1}: ${line}`);
        }
        return found.join('\n');
      },
    }),
    defineTool({
      ...base,
      name: 'exec.poll',
      group: 'exec',
      description: 'The state of a process that runs in the background, and its newest output.',
      input: z.strictObject({ id: z.string().describe('As exec has named it.') }),
      returns: '{ state: "running" | "ended"; code?: number; output: string }',
      handler() {
        asked += 1;
        const output = Array.from({ length: Math.min(asked, 4) }, (_, n) => `step ${n + 1} of 4 done`).join('\n');
        return asked < 4 ? { state: 'running', output } : { state: 'ended', code: 0, output };
      },
    }),
  ];
}
