/**
 * Goal: `config/dhaavak.example.yaml` explains every key, and what it shows are the defaults.
 * Method: walk the schema beside the file, once as it is and once with the commented keys switched on.
 */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parse, parseDocument } from 'yaml';
import { z } from 'zod';
import { configSchema } from '../../src/config/schema.ts';

const text = await readFile(new URL('../../config/dhaavak.example.yaml', import.meta.url), 'utf8');
/** A commented-out key: `# name: value`, lower case and without a space before the colon, unlike prose. */
const COMMENTED_KEY = /^( *)# ([a-z]\w*: \S+)$/gm;
const withOptional = text.replaceAll(COMMENTED_KEY, '$1$2');

/** Every key of the schema as a dotted path; an agent's keys appear under the agent `main`. */
function keysOf(schema: z.core.$ZodType, path = ''): string[] {
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([key, inner]) => keysOf(inner, path ? `${path}.${key}` : key));
  }
  // A list or table that is empty by default is shown as that.
  if (schema instanceof z.ZodDefault && Object.keys(schema.def.defaultValue as object).length === 0) return [path];
  if (schema instanceof z.ZodRecord) return keysOf(schema.valueType, `${path}.main`);
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) {
    return keysOf(schema.unwrap(), path);
  }
  return [path];
}

function keysIn(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [path];
  if (path !== '' && Object.keys(value).length === 0) return [path];
  return Object.entries(value).flatMap(([key, inner]) => keysIn(inner, path ? `${path}.${key}` : key));
}

test('the values shown are the defaults', () => {
  expect(parse(text)).toEqual({
    ...configSchema.parse({}),
    models: { ...configSchema.parse({}).models, anthropic: null, openai: null },
    budgets: { perSenderPerDay: null, perDay: null },
  });
});

test('every key of the schema occurs, and no other', () => {
  expect(keysIn(parse(withOptional)).sort()).toEqual(keysOf(configSchema).sort());
});

test('the commented-out values are valid', () => {
  const filled = withOptional.replaceAll(/\$\{MY_\w+\}/g, 'a-secret-of-some-length');
  expect(configSchema.safeParse(parse(filled)).error).toBeUndefined();
});

test('every key is explained by a comment right above it', () => {
  expect(parseDocument(text).errors).toEqual([]);
  const lines = withOptional.split('\n');
  const unexplained = lines.filter((line, index) => {
    const isKey = /^ *[a-z]\w*:/.test(line);
    // A provider is explained by its keys, the agent `main` by the comment on `agents`.
    return isKey && !/^ *#/.test(lines[index - 1] ?? '') && !/^ *(anthropic|openai|main):$/.test(line);
  });
  expect(unexplained).toEqual([]);
});
