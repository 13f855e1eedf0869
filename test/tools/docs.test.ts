/** Goal: the examples and the words of docs/tools.md are those of the code. Method: each is read from the page and tried. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { configSchema } from '../../src/config/schema.ts';
import { knownTools } from '../../src/tools/known-tools.ts';
import { MATCHED_LENGTH_MAX } from '../../src/tools/pattern.ts';
import { ToolRegistry } from '../../src/tools/registry.ts';
import { defineTool } from '../../src/tools/tool.ts';
import { toolCaller } from '../support/tool-caller.ts';

const page = await readFile(new URL('../../docs/tools.md', import.meta.url), 'utf8');
const examples = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, yaml]) => configSchema.parse(parse(yaml!)));
const GROUPS = ['files', 'exec', 'code', 'web', 'browser', 'sessions', 'message', 'schedule', 'memory', 'time', 'math'];

/** A tool in each group; those that `docs/tools.md` names are called by their names. */
const registryOf = ({ tools }: (typeof examples)[number]) =>
  new ToolRegistry(
    GROUPS.map((group) =>
      defineTool({
        ...{
          name: group === 'exec' ? 'exec' : `${group}.do`,
          group,
          description: group,
          risk: 'safe',
          safeToRepeat: true,
        },
        input: z.strictObject({ command: z.string().optional(), cwd: z.string().optional() }),
        handler: () => 'made',
      }),
    ),
    tools,
  );

const groupsOf = (config: (typeof examples)[number], agent: string, changes: Parameters<typeof toolCaller>[0]) =>
  registryOf(config)
    .view(config.agents[agent]!, toolCaller({ agent, ...changes }))
    .descriptions.map(({ description }) => description)
    .sort();

describe('docs/tools.md', () => {
  it('has examples that a gateway takes', () => {
    expect(examples).toHaveLength(3);
    for (const config of examples) expect([...knownTools(config).wrongNames(config)]).toEqual([]);
  });

  it('names every group', () => {
    const [, listed] = /Groups: ([^.]*)\./.exec(page)!;
    expect([...listed!.matchAll(/`([a-z]+)`/g)].map(([, group]) => group)).toEqual(GROUPS);
    for (const group of GROUPS)
      expect(() =>
        registryOf(configSchema.parse({})).check(configSchema.parse({ tools: { deny: [`group:${group}`] } })),
      ).not.toThrow();
  });

  it('has an example of policy that comes to what it says', () => {
    const [policy] = examples as [(typeof examples)[number]];
    expect(groupsOf(policy, 'main', {})).toEqual(['exec', 'files', 'math', 'time', 'web']);
    expect(groupsOf(policy, 'main', { type: 'dm' })).toEqual(['files', 'math', 'time', 'web']);
    expect(groupsOf(policy, 'main', { type: 'dm', channel: 'slack' })).toEqual(['math', 'time', 'web']);
    expect(groupsOf(policy, 'main', { type: 'dm', channel: 'telegram', user: '4711' })).toEqual(['time']);
    expect(groupsOf(policy, 'main', { type: 'group' })).toEqual(['math', 'time', 'web']);
    expect(groupsOf(policy, 'helpdesk', {})).not.toContain('message');
  });

  it('says what a new agent has', () => {
    const fresh = configSchema.parse({});
    expect(groupsOf(fresh, 'main', {})).toEqual(['files', 'math', 'memory', 'time']);
    for (const type of ['dm', 'group'] as const) {
      expect(groupsOf(fresh, 'main', { type })).toEqual(['math', 'memory', 'time']);
      for (const name of fresh.tools.types[type].deny) expect(page).toContain(`\`${name}\``);
    }
    for (const name of fresh.agents.main!.tools) expect(page).toContain(`\`${name}\``);
  });

  it('has an example of rules that come to what it says', async () => {
    const rules = examples[1]!;
    const config = { ...rules, agents: { main: { ...rules.agents.main!, tools: ['*'] } } };
    const view = registryOf(config).view(config.agents.main, toolCaller());
    const made = async (name: string, input: object) => {
      const { signal } = new AbortController();
      return (await view.execute({ id: '1', name, input }, { signal })).output;
    };
    expect(await made('exec', { command: 'git status -s' })).toBe('made');
    expect(await made('exec', { command: 'git status -s', cwd: 'src' })).toBe('made');
    expect(await made('exec', { command: 'git status; rm -rf ~' })).toContain('no operator');
    expect(await made('exec', { command: 'ls && sudo reboot' })).toContain('tools.rules.0 forbids it');
    expect(await made('web.do', {})).toContain('no operator');
    expect(page).toContain(MATCHED_LENGTH_MAX.toLocaleString('en'));
  });
});
