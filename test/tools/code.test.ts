import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Verdict } from '../../src/agent/approval.ts';
import type { ToolCall } from '../../src/agent/provider.ts';
import { configSchema } from '../../src/config/schema.ts';
import { type CodeSettings, codeTool } from '../../src/tools/code/code.ts';
import { ToolRegistry, type ToolView } from '../../src/tools/registry.ts';
import { type CallContext, defineTool, type Tool } from '../../src/tools/tool.ts';
import { openPool } from '../support/sandbox.ts';
import { toolCaller } from '../support/tool-caller.ts';

const { pool } = openPool();
afterAll(() => pool.stop());

const seen: { session: string; call: string; input: unknown }[] = [];
const list = defineTool({
  name: 'files.list',
  group: 'test',
  description: 'Names of the files in a folder.',
  input: z.strictObject({ folder: z.string().describe('relative to the workspace'), deep: z.boolean().default(false) }),
  risk: 'safe',
  safeToRepeat: true,
  returns: 'string[]',
  handler(input, { caller, call }) {
    seen.push({ session: caller.session, call, input });
    return ['a.txt', 'b.txt'];
  },
});
const read = defineTool({
  name: 'files.read',
  group: 'test',
  description: 'The text of a file.',
  input: z.strictObject({ path: z.string() }),
  risk: 'safe',
  safeToRepeat: true,
  returns: 'string',
  handler({ path }) {
    if (path === 'none') throw new Error('there is no file "none"; files.list says which there are');
    return path === 'long' ? { text: 'x'.repeat(40_000) } : `text of ${path}`;
  },
});
const pay = defineTool({
  name: 'pay',
  group: 'test',
  description: 'Pays.',
  input: z.strictObject({ amount: z.number() }),
  risk: 'ask',
  safeToRepeat: false,
  handler: ({ amount }) => `paid ${amount}`,
});
const forbidden = defineTool({ ...pay, name: 'launch', risk: 'forbid', handler: () => expect.unreachable() });

const settings: CodeSettings = { timeoutMs: 2_000, cpuMs: 1_000, callsMax: 10, only: false };

function viewOf(names: string[], changes: Partial<CodeSettings> = {}): ToolView {
  const code = codeTool({ ...settings, ...changes }, (task) => pool.run(task));
  return new ToolRegistry([list, read, pay, forbidden, code] as Tool[]).view(
    { tools: names, approve: [] },
    toolCaller(),
  );
}

const all = ['code', 'files.list', 'files.read', 'pay', 'launch'];

function run(source: string, context: Partial<CallContext> = {}, names = all) {
  return viewOf(names).execute(
    { id: 'c1', name: 'code', input: { source } },
    { signal: new AbortController().signal, ...context },
  );
}

describe('code', () => {
  it('calls the tools of the session, as the session, and gets what they return', async () => {
    seen.length = 0;
    const source = `const names = await files.list({ folder: '.' });
      return Promise.all(names.map((path) => files.read({ path })));`;
    expect(await run(source)).toEqual({ output: '["text of a.txt","text of b.txt"]', failed: false });
    // The default of the schema is there: the input was checked like any other.
    expect(seen).toEqual([{ session: 'agent:main:main', call: 'c1.1', input: { folder: '.', deep: false } }]);
  });

  it('brings console output and result, or says that there is neither', async () => {
    expect((await run('console.log("one"); return 2')).output).toBe('Console output:\none\nResult:\n2');
    expect((await run('console.log("one")')).output).toBe('Console output:\none\n');
    expect((await run('1 + 1')).output).toContain('It returned nothing: use return or console.log.');
  });

  it('tells what went wrong, where, and what had been done by then', async () => {
    expect(
      await run('await files.list({ folder: "." });\nconsole.log("so far");\nawait files.read({ path: "none" });'),
    ).toEqual({
      output: `Error: there is no file "none"; files.list says which there are
    at code.js:3:13
Before that it had called:
1. files.list: done
2. files.read: failed
Console output:
so far
`,
      failed: true,
    });
  });

  it('refuses an input as it does outside', async () => {
    const { output } = await run('return await files.read({ file: "a" }).catch((e) => e.message)');
    expect(output).toContain('invalid input for files.read');
  });

  it('has no tool that the session has not, and not itself', async () => {
    expect((await run('return typeof files.read + typeof pay + typeof code', {}, ['code', 'files.list'])).output).toBe(
      'undefinedundefinedundefined',
    );
    expect((await run('return await launch({ amount: 1 })')).output).toContain('launch is not defined');
  });

  it('obeys the policy and the rules of the session that calls it, in what it is told and in what it does', async () => {
    const policy = configSchema.parse({
      tools: {
        types: { dm: { deny: ['files.list'] } },
        rules: [{ tools: ['files.read'], input: { path: 'key*' }, risk: 'forbid' }],
      },
    }).tools;
    const code = codeTool(settings, (task) => pool.run(task));
    const registry = new ToolRegistry([list, read, code] as Tool[], policy);
    const view = registry.view({ tools: ['*'], approve: [] }, toolCaller({ type: 'dm', user: 'mallory' }));
    expect(view.descriptions.map(({ name }) => name)).toEqual(['files.read', 'code']);
    expect(view.descriptions[1]?.description).not.toContain('files.list');
    const source = `return [typeof files.list, await files.read({ path: 'a' }), await files.read({ path: 'key.pem' }).catch((e) => e.message)]`;
    const call = { id: 'c1', name: 'code', input: { source } };
    const { output } = await view.execute(call, { signal: new AbortController().signal });
    expect(JSON.parse(output)).toEqual([
      'undefined',
      'text of a',
      expect.stringContaining('may not be called like this'),
    ]);
  });

  it('asks an operator where a call of the model would be asked for', async () => {
    const asked: ToolCall[] = [];
    const approve = async (call: ToolCall): Promise<Verdict> => {
      asked.push(call);
      return (call.input as { amount: number }).amount < 10
        ? { allowed: true }
        : { allowed: false, reason: 'too much' };
    };
    const source = 'return [await pay({ amount: 1 }), await pay({ amount: 100 }).catch((e) => e.message)]';
    expect((await run(source, { approve })).output).toBe('["paid 1","pay was not called: too much"]');
    expect(asked).toEqual([
      { id: 'c1.1', name: 'pay', input: { amount: 1 } },
      { id: 'c1.2', name: 'pay', input: { amount: 100 } },
    ]);
    expect((await run(source)).output).toContain('there is no operator to approve it');
  });

  it('fails a call whose result is too long to be whole', async () => {
    expect((await run('return await files.read({ path: "long" })')).output).toContain('ask for less of it');
  });

  it('fits what it says into a result', async () => {
    const { output } = await run('console.log("y".repeat(1e6)); return "x".repeat(1e6)');
    expect(output.length).toBeLessThan(32_768);
    expect(output).toMatch(/more characters were cut\]$/);
  });

  it('names its limits when one is reached', async () => {
    expect((await run('for (;;);')).output).toContain('more than 1000 ms of processor time');
    expect((await run('await sleep(10_000)')).output).toContain('longer than 2000 ms');
    expect((await run('await new Promise(() => {})')).output).toContain('awaits a promise that nothing can resolve');
    expect((await run('for (let i = 0; i < 11; i++) await files.list({ folder: "." })')).output).toContain(
      'no more than 10 tool calls may be made',
    );
  });

  it('ends with the run', async () => {
    const abort = new AbortController();
    const result = run('await sleep(60_000)', { signal: abort.signal });
    abort.abort();
    expect((await result).failed).toBe(true);
  });

  it('says which calls the program did not wait for', async () => {
    const approve = () => new Promise<Verdict>(() => {});
    expect((await run('void pay({ amount: 1 }); await sleep(20); return 1', { approve })).output).toBe(
      'Not awaited, outcome unknown: pay\nResult:\n1',
    );
  });

  it('may be repeated after a crash only where all it can call may be', () => {
    const call = { id: 'c1', name: 'code', input: {} };
    expect(viewOf(['code', 'files.list', 'files.read']).isSafeToRepeat(call)).toBe(true);
    expect(viewOf(['code', 'files.list', 'pay']).isSafeToRepeat(call)).toBe(false);
  });

  it('is described with the signatures of what it can call', () => {
    const { descriptions } = viewOf(['code', 'files.list', 'pay']);
    expect(descriptions.map(({ name }) => name)).toEqual(['files.list', 'pay', 'code']);
    expect(descriptions[2]?.description).toContain(
      `// Names of the files in a folder.
files.list(input: { folder: string /* relative to the workspace */; deep?: boolean /* default false */ }): Promise<string[]>
// Pays.
pay(input: { amount: number }): Promise<unknown>`,
    );
    expect(descriptions[2]?.description).not.toContain('files.read');
  });

  it('can stand for the others, which are then described in it only', async () => {
    const view = viewOf(['files.list', 'code'], { only: true });
    expect(view.descriptions.map(({ name }) => name)).toEqual(['code']);
    const call = { id: 'c1', name: 'code', input: { source: 'return await files.list({ folder: "." })' } };
    expect((await view.execute(call, { signal: new AbortController().signal })).output).toBe('["a.txt","b.txt"]');
  });
});
