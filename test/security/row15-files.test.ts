/**
 * Goal: a file tool never reads, writes, lists or finds anything outside of its workspace (scorecard 15): 0 escapes.
 * Method: every tool on every way out there is, with a canary outside; and on paths that another process flips between a
 * file and a way out, thousands of times, while the tools go on.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { link, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Workspaces } from '../../src/agent/workspace.ts';
import { configSchema } from '../../src/config/schema.ts';
import { CANARY, type ToolBench, toolBench } from '../support/tool-bench.ts';
import { within } from '../support/wait.ts';

/** Every tool, on one path. What it would write is seen outside afterwards. */
const CALLS: readonly [tool: string, input: (path: string) => object][] = [
  ['files.read', (path) => ({ path })],
  ['files.write', (path) => ({ path, content: 'written by the tool' })],
  ['files.edit', (path) => ({ path, old: 'CANARY', new: 'changed' })],
  ['files.list', (path) => ({ path, depth: 8 })],
  ['files.search', (path) => ({ path, pattern: 'CANARY' })],
  ['skills.read', (path) => ({ path: `skills/a/../../${path}` })],
];

/** All that is outside, which must stay as it is. */
async function stateOutside({ outside, home }: ToolBench) {
  const files = ['secret.txt', 'only-outside.txt'].map((name) => readFile(join(outside, name), 'utf8'));
  return [await Promise.all(files), await readdir(outside), await readFile(join(home, 'token'), 'utf8')];
}

async function bench(): Promise<ToolBench> {
  const made = await toolBench();
  await writeFile(join(made.outside, 'only-outside.txt'), CANARY);
  return made;
}

/** Makes every call on every path, and says what came of them. */
async function attack(tools: ToolBench, paths: readonly string[]): Promise<string[]> {
  const before = await stateOutside(tools);
  const outputs: string[] = [];
  for (const path of paths) {
    for (const [tool, input] of CALLS) {
      const { output } = await within(10_000, tools.call(tool, input(path)), () => `${tool} on ${path}`);
      outputs.push(output);
    }
  }
  for (const output of outputs) {
    expect(output).not.toContain(CANARY);
    expect(output).not.toContain('only-outside');
  }
  expect(await stateOutside(tools)).toEqual(before);
  return outputs;
}

describe('row 15: no file tool leaves the workspace', () => {
  it('by .., an absolute path, ~, or NUL', async () => {
    const tools = await bench();
    const { outside, home, workspace } = tools;
    const up = '../../../outside/secret.txt';
    await tools.put('a/b', '');
    const outputs = await attack(tools, [
      up,
      `a/../${up}`,
      `./${up}`,
      `a/b/../../${up}`,
      `${workspace}/${up}`,
      `${workspace}/../main2/../../../../outside/secret.txt`,
      join(outside, 'secret.txt'),
      join(home, 'token'),
      '../../token',
      '~/token',
      'a\0/../../../token',
      `${up}\0.txt`,
      '..',
      '/',
    ]);
    expect(
      outputs.filter((output) => !/outside of the workspace|control character|is no file of a skill/.test(output)),
    ).toEqual([]);
  });

  it('by /proc, where folders that are open can be reached by their number', async () => {
    const tools = await bench();
    await symlink('/proc/self/fd', join(tools.workspace, 'fd'));
    await symlink('/proc/self/root', join(tools.workspace, 'root'));
    const numbers = Array.from({ length: 40 }, (_, fd) => `/proc/self/fd/${fd}`);
    await attack(tools, [...numbers, 'fd/3', 'fd/20/token', `root${tools.outside}/secret.txt`, 'fd']);
  });

  it('by a symbolic link, in any place of the path', async () => {
    const tools = await bench();
    const { outside, workspace, home } = tools;
    await mkdir(join(workspace, 'deep', 'er'), { recursive: true });
    await symlink(join(outside, 'secret.txt'), join(workspace, 'file'));
    await symlink('../../token', join(workspace, 'relative'));
    await symlink(outside, join(workspace, 'folder'));
    await symlink(outside, join(workspace, 'deep', 'er', 'folder'));
    await symlink(join(outside, 'made-by-the-tool.txt'), join(workspace, 'dangling'));
    await symlink(home, join(workspace, 'home'));
    await symlink('file', join(workspace, 'twice'));
    const outputs = await attack(tools, [
      'file',
      'relative',
      'twice',
      'folder',
      'folder/secret.txt',
      'folder/new.txt',
      'folder/new/new.txt',
      'deep/er/folder/secret.txt',
      'home/token',
      'dangling',
      '.',
    ]);
    expect(outputs.some((output) => output.includes('links are not followed'))).toBe(true);
  });

  it('by a hard link', async () => {
    const tools = await bench();
    await link(join(tools.outside, 'secret.txt'), join(tools.workspace, 'hard'));
    await attack(tools, ['hard', '.']);
    // To write it is to put another file in its place.
    expect(await tools.get('hard')).toBe('written by the tool');
    await link(join(tools.outside, 'only-outside.txt'), join(tools.workspace, 'second'));
    expect(await tools.refused('files.read', { path: 'second' })).toContain('is a hard link');
    expect(await tools.refused('files.edit', { path: 'second', old: 'C', new: 'D' })).toContain('is a hard link');
    expect(await tools.ok('files.search', { pattern: CANARY })).toContain('1 files passed over: hard links');
  });

  it('and none waits for a named pipe or touches a socket', async () => {
    const tools = await bench();
    execFileSync('mkfifo', [join(tools.workspace, 'pipe')]);
    const outputs = await attack(tools, ['pipe', '.']);
    expect(outputs.some((output) => output.includes('is not a file but a named pipe'))).toBe(true);
  });

  it('by a path that becomes a way out between a look and its use', { timeout: 120_000 }, async () => {
    const tools = await bench();
    const before = await stateOutside(tools);
    const flips = 10_000;
    const script = fileURLToPath(new URL('../support/path-flipper.ts', import.meta.url));
    const flipper = spawn(process.execPath, [script, tools.workspace, tools.outside, String(flips)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const done = once(flipper, 'close');
    let printed = '';
    flipper.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    const counts = { ok: 0, refused: 0, escapes: 0 };
    const attempt = async (tool: string, input: object): Promise<void> => {
      const { output, failed } = await tools.call(tool, input);
      counts[failed ? 'refused' : 'ok'] += 1;
      if (output.includes(CANARY) || output.includes('only-outside')) counts.escapes += 1;
    };
    const again = async (calls: () => [string, object][]): Promise<void> => {
      while (flipper.exitCode === null && flipper.signalCode === null) {
        for (const [tool, input] of calls()) await attempt(tool, input);
      }
    };
    let made = 0;
    await Promise.all([
      again(() => [
        ['files.read', { path: 'file' }],
        ['files.read', { path: 'passing' }],
        ['files.read', { path: 'folder/secret.txt' }],
      ]),
      again(() => [
        ['files.edit', { path: 'file', old: 'CANARY', new: 'changed' }],
        ['files.edit', { path: 'passing', old: 'CANARY', new: 'changed' }],
        ['files.edit', { path: 'folder/secret.txt', old: 'CANARY', new: 'changed' }],
      ]),
      again(() => {
        made += 1;
        return [
          ['files.write', { path: `folder/made-${made % 10}.txt`, content: 'inside' }],
          ['files.write', { path: `folder/sub-${made % 10}/made.txt`, content: 'inside' }],
          ['files.write', { path: 'file', content: 'inside' }],
          ['files.write', { path: 'folder/secret.txt', content: 'inside' }],
        ];
      }),
      again(() => [
        ['files.list', { path: 'folder' }],
        ['files.list', { path: '.', depth: 3 }],
        ['files.search', { pattern: 'CANARY', path: 'folder' }],
        ['files.search', { pattern: 'CANARY' }],
        ['files.search', { pattern: 'CANARY', path: 'file' }],
      ]),
    ]);
    await done;
    expect(Number(printed)).toBeGreaterThanOrEqual(flips);
    expect(counts.escapes).toBe(0);
    expect(await stateOutside(tools)).toEqual(before);
    // The race was one: calls found the path both ways.
    expect(counts.ok).toBeGreaterThan(100);
    expect(counts.refused).toBeGreaterThan(100);
  });
});

describe('row 15: what the model is told first', () => {
  it('is no file outside that a command has linked into the workspace', async () => {
    const { outside, workspace, home } = await bench();
    await symlink(join(outside, 'secret.txt'), join(workspace, 'SOUL.md'));
    await symlink(join(home, 'token'), join(workspace, 'AGENTS.md'));
    await link(join(outside, 'only-outside.txt'), join(workspace, 'TOOLS.md'));
    await symlink(outside, join(workspace, 'skills'));
    const { agents } = configSchema.parse({ agents: { main: { prompt: 'Be brief.', tools: ['files.read'] } } });
    const faults: string[] = [];
    const workspaces = new Workspaces({ home, agents }, { now: Date.now, onFault: (_, file) => faults.push(file) });
    expect(await workspaces.systemPrompt('main')).toBe('Be brief.');
    expect(faults.toSorted()).toEqual(['AGENTS.md', 'SOUL.md', 'TOOLS.md'].map((name) => join(workspace, name)));
  });
});
