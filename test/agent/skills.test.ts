/** Goal: a model hears of the skills there are, and reads them when it wants to. Method: real folders, a clock that stands still. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { SKILLS_MAX } from '../../src/agent/skills.ts';
import { Workspaces } from '../../src/agent/workspace.ts';
import { configSchema } from '../../src/config/schema.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { toolBench } from '../support/tool-bench.ts';

let now: number;
let folder: string;
let workspaces: Workspaces;
const faults: string[] = [];

beforeEach(async () => {
  now = 0;
  faults.length = 0;
  const home = await tempFolder();
  folder = join(home, 'agents', 'main', 'skills');
  await mkdir(folder, { recursive: true });
  const prompt = 'Be brief.';
  const { agents } = configSchema.parse({
    agents: {
      main: { prompt, tools: ['files.read'] },
      grouped: { prompt, tools: ['group:files'], workspace: join(home, 'agents', 'main') },
      small: { prompt, tools: ['skills.read'], workspace: join(home, 'agents', 'main') },
      none: { prompt, tools: ['calc'], workspace: join(home, 'agents', 'main') },
    },
  });
  const onFault = (error: unknown, file: string) => faults.push(`${file.slice(folder.length + 1)}: ${error}`);
  workspaces = new Workspaces({ home, agents }, { now: () => now, onFault });
});

const put = async (name: string, text: string) => {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, 'SKILL.md'), text);
};
const skill = (name: string, description: string) =>
  `---\nname: ${name}\ndescription: ${description}\n---\n\nHow to.\n`;
const later = (agent = 'main') => {
  now += 1_000;
  return workspaces.systemPrompt(agent);
};

describe('the list of skills', () => {
  it('has name, file and description of each, by name, after the rest', async () => {
    await put('pdf', skill('pdf', 'Fills in forms.'));
    await put('accounts', '---\r\nname: Accounts\r\ndescription: >\r\n  Keeps\r\n  books.\r\nlicense: MIT\r\n---\r\n');
    await writeFile(join(folder, '..', 'SOUL.md'), 'Be kind.');
    expect(await later()).toBe(
      [
        'Be brief.',
        'The file SOUL.md:\n\nBe kind.',
        'Skills, which tell how to do something. Before a task that one is for, read its file with files.read:',
        '- Accounts (skills/accounts/SKILL.md): Keeps books.\n- pdf (skills/pdf/SKILL.md): Fills in forms.',
      ].join('\n\n'),
    );
  });

  it('names the tool the agent has for them, and is not shown to one that has none', async () => {
    await put('pdf', skill('pdf', 'Fills in forms.'));
    expect(await later('small')).toContain('with skills.read:');
    expect(await later('grouped')).toContain('with files.read:');
    expect(await later('none')).toBe('Be brief.');
  });

  it('follows what is added, changed and taken away', async () => {
    expect(await later()).toBe('Be brief.');
    await put('pdf', skill('pdf', 'Fills in forms.'));
    expect(await later()).toContain('Fills in forms.');
    await put('pdf', skill('pdf', 'Makes forms, and fills them in.'));
    expect(await later()).toContain('Makes forms');
    await rm(join(folder, 'pdf'), { recursive: true });
    expect(await later()).toBe('Be brief.');
    await rm(folder, { recursive: true });
    expect(await later()).toBe('Be brief.');
    expect(faults).toEqual([]);
  });

  it('leaves out what is broken, which is told once', async () => {
    await put('good', skill('good', 'Works.'));
    await put('bare', 'No front matter.');
    await put('silent', '---\nname: silent\n---\n');
    await put('bomb', '---\nname: &a x\ndescription: *a\n---\n');
    await put('odd', '---\nname: "a\\nb"\ndescription: x\n---\n');
    await mkdir(join(folder, 'empty'));
    await writeFile(join(folder, 'README.md'), 'Not a skill.');
    const told = await later();
    expect(told).toContain('- good (');
    expect(told.match(/^- /gm)).toHaveLength(1);
    await later();
    expect(faults.map((fault) => fault.split('/')[0]).toSorted()).toEqual(['bare', 'bomb', 'odd', 'silent']);
    expect(faults.find((fault) => fault.startsWith('silent'))).toContain('description: ');
    await put('bare', 'Still none.');
    await later();
    expect(faults).toHaveLength(5);
  });

  it('is bounded', async () => {
    for (let index = 0; index < SKILLS_MAX + 3; index += 1) {
      await put(`s${String(index).padStart(3, '0')}`, skill(`s${index}`, 'x'.repeat(3_000)));
    }
    const told = await later();
    expect(told.match(/^- /gm)).toHaveLength(SKILLS_MAX);
    expect(told).toContain('(3 more are not listed.)');
    expect(told.length).toBeLessThan(16_384);
  });
});

describe('skills.read', () => {
  it('reads the files of a skill and no others', async () => {
    const { ok, refused, put } = await toolBench();
    await put('skills/pdf/SKILL.md', skill('pdf', 'Fills in forms.'));
    await put('skills/pdf/more/forms.md', 'Forms.');
    await put('notes.md', 'Notes.');
    expect(await ok('skills.read', { path: 'skills/pdf/SKILL.md' })).toContain('How to.');
    expect(await ok('skills.read', { path: 'skills/pdf/more/forms.md' })).toBe('Forms.');
    expect(await refused('skills.read', { path: 'notes.md' })).toContain('is no file of a skill');
    expect(await refused('skills.read', { path: 'skills/pdf/../../notes.md' })).toContain('is no file of a skill');
  });
});
