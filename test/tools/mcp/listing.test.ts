/** Goal: whatever a server lists, what becomes of it are tools the registry and model APIs take, within bounds. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DESCRIPTION_LENGTH_MAX,
  LISTING_LENGTH_MAX,
  readListing,
  SCHEMA_LENGTH_MAX,
  TOOLS_MAX,
} from '../../../src/tools/mcp/listing.ts';
import { toolName } from '../../../src/tools/mcp/names.ts';
import { ToolRegistry } from '../../../src/tools/registry.ts';

const tool = (name: string, more: object = {}) => ({
  name,
  description: 'Does it.',
  inputSchema: { type: 'object' },
  ...more,
});

describe('the tools of a server', () => {
  it.each([
    ['addNote', 'mcp.notes.add_note'],
    ['read_file', 'mcp.notes.read_file'],
    ['Search Issues!', 'mcp.notes.search_issues'],
    ['a.b-c', 'mcp.notes.a.b-c'],
    ['__x--y__', 'mcp.notes.x-y'],
    ['get2FA', 'mcp.notes.get2_fa'],
    ['日本', undefined],
    ['', undefined],
  ])('%s is called %s', (name, expected) => expect(toolName('notes', name)).toBe(expected));

  it('have names the registry takes, whatever they are called', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (name) => {
        const { tools } = readListing('notes', false, [tool(name)]);
        const registry = new ToolRegistry([]);
        for (const { name: made } of tools) {
          registry.register({
            name: made,
            group: 'mcp',
            description: '',
            input: undefined as never,
            inputSchema: {},
            risk: 'ask',
            safeToRepeat: false,
            handler: () => '',
          });
        }
      }),
      { numRuns: 300 },
    );
  });

  it('take whatever JSON a server lists, and never throw', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 6 }), { maxLength: 20 }), (entries) => {
        const { tools, refused } = readListing('notes', false, entries);
        expect(tools.length + refused.length).toBeGreaterThanOrEqual(Math.min(entries.length, 16));
      }),
    );
  });

  it('are refused where two would have one name, and the first is kept', () => {
    const { tools, refused } = readListing('notes', false, [tool('addNote'), tool('add_note'), tool('other')]);
    expect(tools.map(({ tool }) => tool)).toEqual(['addNote', 'other']);
    expect(refused).toEqual(['add_note: addNote is called mcp.notes.add_note already']);
  });

  it('are asked about, and not safe to repeat, whatever hints the server gives', () => {
    const hints = { annotations: { readOnlyHint: true, idempotentHint: true } };
    const { tools } = readListing('notes', false, [tool('read', hints)]);
    expect(tools).toMatchObject([{ risk: 'ask', safeToRepeat: false }]);
  });

  it('of a trusted server are safe, and its hints are believed', () => {
    const entries = [
      tool('read', { annotations: { readOnlyHint: true } }),
      tool('set', { annotations: { idempotentHint: true } }),
      tool('add'),
    ];
    expect(readListing('notes', true, entries).tools).toMatchObject([
      { risk: 'safe', safeToRepeat: true },
      { risk: 'safe', safeToRepeat: true },
      { risk: 'safe', safeToRepeat: false },
    ]);
  });

  it('have their schemas as they are, with what model APIs want', () => {
    const schema = { type: 'object', properties: { n: { type: 'integer', minimum: 3 } }, required: ['n'] };
    const entries = [
      tool('a', { inputSchema: { $schema: 'http://json-schema.org/draft-07/schema#', ...schema } }),
      tool('b'),
    ];
    expect(readListing('notes', false, entries).tools.map(({ inputSchema }) => inputSchema)).toEqual([
      schema,
      { type: 'object', properties: {} },
    ]);
  });

  it('are described as the words of their server, and no longer than the limit', () => {
    const { tools } = readListing('notes', false, [tool('a', { description: 'x'.repeat(100_000) })]);
    expect(tools[0]?.description).toMatch(/^\[Tool of the MCP server "notes", in its words\] x+ \[…\]$/);
    expect(tools[0]?.description.length).toBeLessThan(DESCRIPTION_LENGTH_MAX + 100);
  });

  it('are bounded: each schema, their number and all together', () => {
    const large = { type: 'object', description: 'x'.repeat(SCHEMA_LENGTH_MAX) };
    let deep: object = {};
    for (let level = 0; level < 10_000; level += 1) deep = { deep };
    const odd = [tool('large', { inputSchema: large }), tool('deep', { inputSchema: { type: 'object', deep } })];
    expect(readListing('notes', false, odd).refused).toEqual([
      'large: the schema of its input is too large',
      'deep: the schema of its input is too large',
    ]);
    const many = readListing(
      'notes',
      false,
      Array.from({ length: 1_000 }, (_, n) => tool(`t${n}`)),
    );
    expect(many.tools).toHaveLength(TOOLS_MAX);
    expect(many.refused).toHaveLength(16);
    const halves = Array.from({ length: 100 }, (_, n) =>
      tool(`t${n}`, { inputSchema: { type: 'object', description: 'x'.repeat(SCHEMA_LENGTH_MAX / 2) } }),
    );
    const together = readListing('notes', false, halves).tools;
    expect(JSON.stringify(together).length).toBeLessThan(LISTING_LENGTH_MAX * 1.1);
    expect(together.length).toBeGreaterThan(10);
  });
});
