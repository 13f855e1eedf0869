import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Verdict } from '../../src/agent/approval.ts';
import { configSchema } from '../../src/config/schema.ts';
import { toolsSchema } from '../../src/config/tools.ts';
import type { Speaker } from '../../src/tools/policy.ts';
import { OUTPUT_LENGTH_MAX, ToolRegistry, type ToolResult } from '../../src/tools/registry.ts';
import { type CallContext, defineTool, type Tool } from '../../src/tools/tool.ts';
import { collectGarbage } from '../support/garbage.ts';
import { toolCaller } from '../support/tool-caller.ts';
import { builtinTools } from '../support/tool-registry.ts';

const context: CallContext = { signal: new AbortController().signal };

function tool(changes: Partial<Tool> = {}): Tool {
  return defineTool<unknown>({
    name: 'test.tool',
    group: 'test',
    description: 'A tool.',
    input: z.strictObject({ text: z.string(), count: z.int().default(1) }),
    risk: 'safe',
    safeToRepeat: true,
    handler: (input) => input,
    ...changes,
  });
}

function execute(changes: Partial<Tool>, input: unknown = { text: 'x' }, name = 'test.tool'): Promise<ToolResult> {
  return new ToolRegistry([tool(changes)])
    .view({ tools: ['test.tool'], approve: [] }, toolCaller())
    .execute({ id: '1', name, input }, context);
}

describe('a view of the tools', () => {
  it('describes them to models with a JSON Schema', () => {
    const { descriptions } = new ToolRegistry([tool()]).view({ tools: ['test.tool'], approve: [] }, toolCaller());
    expect(descriptions).toEqual([
      {
        name: 'test.tool',
        description: 'A tool.',
        inputSchema: {
          type: 'object',
          properties: { text: { type: 'string' }, count: expect.objectContaining({ type: 'integer' }) },
          required: ['text'],
          additionalProperties: false,
        },
      },
    ]);
  });

  it('is made once for a list of names', () => {
    const registry = builtinTools();
    const names = ['calc'];
    const agent = { tools: names, approve: [] };
    expect(registry.view(agent, toolCaller()).descriptions).toBe(registry.view(agent, toolCaller()).descriptions);
  });

  it('can call nothing outside it', async () => {
    const view = builtinTools().view({ tools: ['time.now'], approve: [] }, toolCaller());
    const result = await view.execute({ id: '1', name: 'calc', input: { expression: '1' } }, context);
    expect(result).toEqual({ output: 'there is no tool "calc"; the tools are: time.now', failed: true });
  });
});

describe('a view under a policy', () => {
  const settings = toolsSchema.parse({ types: { dm: { deny: ['b'] } }, senders: { 'api:mallory': { deny: ['b'] } } });
  const tools = () => ['a', 'b', 'c'].map((name) => tool({ name }));
  const agent = { tools: ['*'], approve: [] };

  it('has the same descriptions for whoever may call the same tools, and others for others', () => {
    const registry = new ToolRegistry(tools(), settings);
    const of = (changes: Parameters<typeof toolCaller>[0], speakers: Speaker[] = []) =>
      registry.view(agent, toolCaller(changes), speakers).descriptions;
    const main = of({});
    const dm = of({ type: 'dm', user: 'ada' });
    expect(main.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect(dm.map(({ name }) => name)).toEqual(['a', 'c']);
    expect(of({ type: 'group', user: 'x' })).toBe(main);
    expect(of({ type: 'dm', user: 'bob' })).toBe(dm);
    expect(of({ type: 'group', user: 'x' }, [{ channel: 'api', user: 'mallory' }])).toBe(dm);
    expect(registry.view({ tools: ['c', 'a'], approve: [] }, toolCaller()).descriptions).toBe(dm);
  });

  it('calls nothing that it does not describe, also what another view does', async () => {
    const registry = new ToolRegistry(tools(), settings);
    registry.view(agent, toolCaller());
    const dm = registry.view(agent, toolCaller({ type: 'dm' }));
    const call = { id: '1', name: 'b', input: { text: 'x' } };
    expect(await dm.execute(call, context)).toEqual({
      output: 'there is no tool "b"; the tools are: a, c',
      failed: true,
    });
    expect(dm.isSafeToRepeat(call)).toBe(false);
  });

  it('keeps nothing of an agent that nobody has any more, such as each run of a sub-agent makes', async () => {
    const registry = new ToolRegistry(tools(), settings);
    const lists = Array.from({ length: 100 }, () => {
      const passing = { tools: ['a', 'b'], approve: [] };
      expect(registry.view(passing, toolCaller()).descriptions).toHaveLength(2);
      return new WeakRef(passing.tools);
    });
    await new Promise((resolve) => setImmediate(resolve)); // a WeakRef holds what it was made of to the end of the turn
    collectGarbage();
    expect(lists.filter((list) => list.deref() !== undefined).length).toBeLessThan(10);
  });

  it('has a tool that comes later', () => {
    const registry = new ToolRegistry(tools(), settings);
    registry.view(agent, toolCaller());
    registry.register(tool({ name: 'd' }));
    expect(registry.view(agent, toolCaller()).descriptions.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
  });
});

describe('a group', () => {
  it('stands for its tools wherever tools are named', () => {
    const tools = [tool({ name: 'a.one', group: 'a' }), tool({ name: 'b' }), tool({ name: 'a.two', group: 'a' })];
    const { descriptions } = new ToolRegistry(tools).view({ tools: ['group:a'], approve: ['group:a'] }, toolCaller());
    expect(descriptions.map(({ name }) => name)).toEqual(['a.one', 'a.two']);
  });

  it('is a lower-case word', () => {
    expect(() => new ToolRegistry([tool({ group: 'Two words' })])).toThrow('is not a group of tools');
  });
});

describe('registering', () => {
  it('refuses a name that is taken', () => {
    expect(() => new ToolRegistry([tool(), tool()])).toThrow('registered already');
  });

  it.each(['', 'Upper', 'two words', '.dot', 'dot.', 'ü', 'x'.repeat(65)])('refuses the name "%s"', (name) => {
    expect(() => new ToolRegistry([tool({ name })])).toThrow('is not a tool name');
  });
});

describe('a source of tools that come and go', () => {
  const agent = { tools: ['test.tool', 'far.*', 'near.one'], approve: ['near.one'] };

  function withSources(): ToolRegistry {
    const registry = new ToolRegistry([tool()]);
    registry.addSource({ prefix: 'far.', state: () => 'far is being built' });
    registry.addSource({ prefix: 'near.', state: () => 'near is asleep' });
    return registry;
  }
  const namesOf = (registry: ToolRegistry) => registry.view(agent, toolCaller()).descriptions.map(({ name }) => name);

  it('may be named before it has any, one by one and all of it', () => {
    const registry = withSources();
    expect(namesOf(registry)).toEqual(['test.tool']);
    const named = (tools: string[]) => configSchema.parse({ agents: { main: { tools } } });
    expect(() => registry.check(named(agent.tools))).not.toThrow();
    expect(() => registry.check(named(['other.*']))).toThrow('there is no tool or group "other.*"');
  });

  it('is seen by views that are made once it has them, and gone from those that are made after', () => {
    const registry = withSources();
    namesOf(registry);
    registry.register(tool({ name: 'far.two' }));
    registry.register(tool({ name: 'near.one' }));
    expect(namesOf(registry)).toEqual(['test.tool', 'far.two', 'near.one']);
    registry.unregister('far.two');
    expect(namesOf(registry)).toEqual(['test.tool', 'near.one']);
    registry.register(tool({ name: 'far.two' }));
    expect(namesOf(registry)).toContain('far.two');
  });

  it('says to a model how it is, when a tool of it is called that is not there', async () => {
    const view = withSources().view(agent, toolCaller());
    const { output, failed } = await view.execute({ id: '1', name: 'near.one', input: {} }, context);
    expect(failed).toBe(true);
    expect(output).toContain('there is no tool "near.one" at the moment (near is asleep)');
  });

  it('has calls of its tools approved where the list says so, also of those that come later', async () => {
    const registry = withSources();
    registry.register(tool({ name: 'near.one' }));
    const { output } = await registry
      .view(agent, toolCaller())
      .execute({ id: '1', name: 'near.one', input: { text: 'x' } }, context);
    expect(output).toContain('there is no operator to approve it');
  });

  it('gives schemas to models as they are', () => {
    const registry = withSources();
    const inputSchema = { type: 'object', properties: { n: { type: 'integer', 'x-odd': true } } };
    registry.register(tool({ name: 'far.two', inputSchema }));
    expect(registry.view(agent, toolCaller()).descriptions[1]?.inputSchema).toBe(inputSchema);
  });
});

describe('executing a call', () => {
  it('gives the handler the parsed input and the model its output', async () => {
    expect(await execute({ handler: () => 'text' })).toEqual({ output: 'text', failed: false });
    expect(await execute({})).toEqual({ output: '{"text":"x","count":1}', failed: false });
    expect(await execute({ handler: () => undefined })).toEqual({ output: 'null', failed: false });
  });

  it.each([
    [{}, 'text: Invalid input: expected string, received undefined'],
    [{ text: 1 }, 'text: Invalid input: expected string, received number'],
    [{ text: 'x', more: 1 }, 'Unrecognized key: "more"'],
    ['text', 'Invalid input: expected object, received string'],
    [null, 'Invalid input: expected object, received null'],
  ])('refuses the input %j in words', async (input, reason) => {
    expect(await execute({}, input)).toEqual({ output: `invalid input for test.tool: ${reason}`, failed: true });
  });

  it.each(['constructor', '__proto__', 'toString'])('does not find a tool named %s', async (name) => {
    expect(await execute({}, {}, name)).toMatchObject({
      failed: true,
      output: expect.stringContaining('there is no tool'),
    });
  });

  it('does not call what is marked forbid, and tells the model of no such tool', async () => {
    const handler = (): never => expect.unreachable();
    expect(await execute({ risk: 'forbid', handler })).toEqual({
      failed: true,
      output: 'there is no tool "test.tool"; the tools are: none',
    });
  });

  it.each(['ask', 'forbid'] as const)(
    'takes the risk of a call from the tool where that depends on it: %s',
    async (risk) => {
      const changes: Partial<Tool> = { riskOf: (input) => ((input as { text: string }).text === 'x' ? risk : 'safe') };
      expect(await execute(changes)).toMatchObject({ failed: true });
      expect(await execute(changes, { text: 'y' })).toMatchObject({ failed: false });
      expect(await execute({ riskOf: () => 'safe', risk: 'forbid' })).toMatchObject({ failed: true });
    },
  );

  it('calls what is marked ask, or is to be approved, only when an operator says yes', async () => {
    for (const [risk, approve] of [
      ['ask', []],
      ['safe', ['test.tool']],
    ] as const) {
      const view = new ToolRegistry([tool({ risk, handler: () => 'done' })]).view(
        { tools: ['test.tool'], approve },
        toolCaller(),
      );
      const call = { id: '1', name: 'test.tool', input: { text: 'x' } };
      const asked: unknown[] = [];
      const verdicts: Verdict[] = [{ allowed: false, reason: 'an operator refused it' }, { allowed: true }];
      const operator = {
        ...context,
        async approve(given: unknown) {
          asked.push(given);
          return verdicts.shift()!;
        },
      };
      expect((await view.execute(call, context)).output).toContain('there is no operator');
      expect((await view.execute(call, operator)).output).toBe('test.tool was not called: an operator refused it');
      expect(await view.execute(call, operator)).toEqual({ output: 'done', failed: false });
      expect(asked).toEqual([call, call]);
    }
  });

  it('turns whatever is thrown into a failed result', async () => {
    const fail = (error: unknown) => async (): Promise<never> => Promise.reject(error);
    expect(await execute({ handler: fail(new Error('no disk')) })).toEqual({ output: 'no disk', failed: true });
    expect(await execute({ handler: fail('odd') })).toEqual({ output: 'odd', failed: true });
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    expect(await execute({ handler: () => circular })).toMatchObject({ failed: true });
  });

  it('bounds the output and says how much is missing', async () => {
    const { output } = await execute({ handler: () => 'x'.repeat(OUTPUT_LENGTH_MAX + 5) });
    expect(output).toMatch(/x\n\[5 more characters were cut\]$/);
  });

  it('does not begin when the run is over', async () => {
    const view = new ToolRegistry([tool({ handler: () => expect.unreachable() })]).view(
      {
        tools: ['test.tool'],
        approve: [],
      },
      toolCaller(),
    );
    const call = { id: '1', name: 'test.tool', input: { text: 'x' } };
    expect(await view.execute(call, { signal: AbortSignal.abort(new Error('over')) })).toEqual({
      output: 'over',
      failed: true,
    });
  });
});
