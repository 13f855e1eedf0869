import { expect, it } from 'vitest';
import { z } from 'zod';
import { configSchema } from '../../src/config/schema.ts';
import { expressionOf, signaturesOf } from '../../src/tools/code/signatures.ts';
import { knownTools } from '../../src/tools/known-tools.ts';
import type { OtherTool } from '../../src/tools/tool.ts';
import { toolCaller } from '../support/tool-caller.ts';

function tool(name: string, schema: z.ZodType, returns?: string): OtherTool {
  const { $schema: _, ...inputSchema } = z.toJSONSchema(schema, { io: 'input' });
  return { name, description: 'Does it.', inputSchema, safeToRepeat: true, returns };
}

const inputOf = (schema: z.ZodType) => /t\((.*)\): Promise/.exec(signaturesOf([tool('t', schema)]))?.[1];

it('writes what a JSON Schema says as TypeScript', () => {
  expect(inputOf(z.strictObject({ a: z.string(), b: z.int().optional(), c: z.boolean() }))).toBe(
    'input: { a: string; b?: number; c: boolean }',
  );
  expect(inputOf(z.strictObject({ a: z.enum(['x', 'y']), b: z.literal(1) }))).toBe('input: { a: "x" | "y"; b: 1 }');
  expect(inputOf(z.strictObject({ a: z.array(z.union([z.string(), z.number()])) }))).toBe(
    'input: { a: (string | number)[] }',
  );
  expect(inputOf(z.strictObject({ a: z.record(z.string(), z.number()), b: z.unknown() }))).toBe(
    'input: { a: Record<string, number>; b: unknown }',
  );
  expect(inputOf(z.strictObject({ a: z.strictObject({ b: z.null() }).nullable() }))).toBe(
    'input: { a: { b: null } | null }',
  );
});

it('lets an input be left out that nothing is required of', () => {
  expect(inputOf(z.strictObject({}))).toBe('');
  expect(inputOf(z.strictObject({ a: z.string().optional() }))).toBe('input?: { a?: string }');
});

it('says what an argument means and what a tool returns', () => {
  const schema = z.strictObject({ a: z.string().default('x').describe('a */ thing\nof two lines') });
  expect(signaturesOf([tool('files.read', schema, 'string')])).toBe(
    '// Does it.\nfiles.read(input?: { a?: string /* a * / thing of two lines; default "x" */ }): Promise<string>',
  );
});

it('names tools as a program can write them', () => {
  expect(expressionOf('files.read')).toBe('files.read');
  expect(expressionOf('mcp.git-hub.delete')).toBe('mcp["git-hub"].delete');
  expect(expressionOf('delete')).toBe('globalThis["delete"]');
  expect(expressionOf('a-b.c')).toBe('globalThis["a-b"].c');
});

it('only names the tools that no longer fit', () => {
  const long = tool('long', z.strictObject({ a: z.string().describe('x'.repeat(40_000)) }));
  expect(signaturesOf([tool('t', z.strictObject({})), long, tool('u', z.strictObject({}))])).toBe(
    '// Does it.\nt(): Promise<unknown>\n// Too many to show: long, u. Each takes one object.',
  );
});

it('bears a schema that is no schema', () => {
  const strange = { type: 'object', properties: { a: null, b: 7, c: { type: ['string', 'null'] } } };
  const described = { name: 't', description: '', inputSchema: strange, safeToRepeat: true, returns: undefined };
  expect(signaturesOf([described])).toBe(
    '//\nt(input?: { a?: unknown; b?: unknown; c?: string | null }): Promise<unknown>',
  );
});

it.each([
  ['required: true', { required: true }],
  ['required: "a"', { required: 'a' }],
  ['properties: null', { properties: null }],
  ['properties: 7', { properties: 7 }],
  ['properties: []', { properties: ['a'] }],
  ['both', { properties: null, required: null }],
])('takes what is no list or no object of properties as not there, at any depth: %s', (_, wrong) => {
  const written = (inputSchema: Record<string, unknown>) =>
    signaturesOf([{ name: 't', description: '', inputSchema, safeToRepeat: true, returns: undefined }]);
  const bad = { type: 'object', properties: { b: { type: 'string' } }, ...wrong };
  const fields = 'properties' in wrong ? 'Record<string, unknown>' : '{ b?: string }';
  expect(written(bad)).toBe(`//\nt(${'properties' in wrong ? '' : `input?: ${fields}`}): Promise<unknown>`);
  expect(written({ type: 'object', properties: { a: bad } })).toBe(
    `//\nt(input?: { a?: ${fields} }): Promise<unknown>`,
  );
});

it('every tool of a gateway says what it returns', () => {
  const config = configSchema.parse({ tools: { web: { search: { searxngUrl: 'http://127.0.0.1:1' } } } });
  const { descriptions } = knownTools(config).view({ tools: ['*'], approve: [] }, toolCaller());
  const code = descriptions.find(({ name }) => name === 'code')?.description ?? '';
  expect(code).toContain('sessions.list(input?: {');
  expect(code).toContain('Promise<{ sessions: { session: string;');
  expect(code).not.toContain('Promise<unknown>');
});
