/** Goal: the files of a workspace reach the model, also when they change, at no cost to busy agents. Method: real folders, a clock that stands still. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { FILE_BYTES_MAX, Workspaces } from '../../src/agent/workspace.ts';
import { configSchema } from '../../src/config/schema.ts';
import { tempFolder } from '../support/temp-folder.ts';

let now: number;
let folder: string;
let workspaces: Workspaces;
const faults: string[] = [];

beforeEach(async () => {
  now = 0;
  faults.length = 0;
  const home = await tempFolder();
  folder = join(home, 'agents', 'main');
  await mkdir(folder, { recursive: true });
  const other = join(home, 'elsewhere');
  await mkdir(other);
  await writeFile(join(other, 'SOUL.md'), 'Other soul.');
  const { agents } = configSchema.parse({
    agents: { main: { prompt: 'Be brief.' }, other: { prompt: 'Be long.', workspace: other } },
  });
  workspaces = new Workspaces({ home, agents }, { now: () => now, onFault: (_, file) => faults.push(file) });
});

const put = (name: string, text: string) => writeFile(join(folder, name), text);
const later = () => {
  now += 1_000;
  return workspaces.systemPrompt('main');
};

describe('what a model is told first', () => {
  it('is the prompt where there are no files, nor a folder', async () => {
    await rm(folder, { recursive: true });
    expect(await workspaces.systemPrompt('main')).toBe('Be brief.');
    expect(faults).toEqual([]);
  });

  it('is the prompt, AGENTS.md, SOUL.md and TOOLS.md, in this order', async () => {
    await put('TOOLS.md', 'Use calc.\n');
    await put('AGENTS.md', 'You are Asha.\n');
    await put('SOUL.md', 'Be kind.\n');
    await put('OTHER.md', 'Not this.');
    expect(await workspaces.systemPrompt('main')).toBe(
      'Be brief.\n\nThe file AGENTS.md:\n\nYou are Asha.\n\nThe file SOUL.md:\n\nBe kind.\n\nThe file TOOLS.md:\n\nUse calc.',
    );
  });

  it('is each agent’s own', async () => {
    await put('SOUL.md', 'Main soul.');
    expect(await workspaces.systemPrompt('main')).toMatch(/^Be brief.*Main soul\.$/s);
    expect(await workspaces.systemPrompt('other')).toMatch(/^Be long.*Other soul\.$/s);
  });

  it('follows a file that is changed, made or taken away', async () => {
    expect(await workspaces.systemPrompt('main')).toBe('Be brief.');
    await put('SOUL.md', 'Be kind.');
    expect(await later()).toContain('Be kind.');
    await put('SOUL.md', 'Be very kind.');
    expect(await later()).toContain('Be very kind.');
    await rm(join(folder, 'SOUL.md'));
    expect(await later()).toBe('Be brief.');
  });

  it('is known at once within a second of the last look, and looked up once for all who ask meanwhile', async () => {
    const [first, second] = [workspaces.systemPrompt('main'), workspaces.systemPrompt('main')];
    expect(first).toBe(second);
    await first;
    now += 999;
    expect(workspaces.systemPrompt('main')).toBe('Be brief.');
    now += 1;
    expect(workspaces.systemPrompt('main')).toBeInstanceOf(Promise);
  });

  it('has the beginning of a file that is too long, and says so', async () => {
    await put('AGENTS.md', 'नमस्ते '.repeat(FILE_BYTES_MAX));
    const system = await workspaces.systemPrompt('main');
    expect(system.length).toBeLessThan(FILE_BYTES_MAX);
    expect(system).not.toContain('\ufffd');
    expect(system).toMatch(/The rest of this file is left out/);
  });

  it('does without a file that cannot be read, and says so once', async () => {
    await mkdir(join(folder, 'SOUL.md'));
    await put('AGENTS.md', 'You are Asha.');
    expect(await workspaces.systemPrompt('main')).toContain('You are Asha.');
    expect(await later()).toContain('You are Asha.');
    expect(faults).toEqual([join(folder, 'SOUL.md')]);
  });
});
