/** The files that are made from the code: the table of errors, and JSON Schemas of the requests and the configuration. */
import { z } from 'zod';
import { configSchema } from '../src/config/schema.ts';
import { ERROR_CODES } from '../src/protocol/errors.ts';
import { REQUESTS } from '../src/protocol/messages.ts';

/** A node of a JSON Schema, of which no more is known here than that it is one. */
type Schema = Record<string, unknown>;

/** What to write, by path from the root of the project. */
export const GENERATED: Readonly<Record<string, () => string>> = {
  'docs/errors.md': errorsPage,
  'docs/protocol.schema.json': () => json(protocolSchema()),
  'config/dhaavak.schema.json': () => json(configFileSchema()),
};

function errorsPage(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, { meaning, retryable, todo }]) => `| \`${code}\` | ${meaning} | ${retryable ? 'yes' : 'no'} | ${todo} |`,
  );
  return [
    '# Errors',
    '',
    '<!-- Made by `npm run docs` from src/protocol/errors.ts: change it there. -->',
    '',
    'Every error a client can see, as the `code` of a frame of type `error` or of the `error` in `run.end`;',
    '[protocol.md](protocol.md#errors) has the other fields. **Retryable**: the same request may succeed later, unchanged.',
    '',
    '| Code | Meaning | Retryable | What to do |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

/** Frames a client may send: one of the requests, each with its data. */
function protocolSchema(): Schema {
  const printable = { type: 'string', minLength: 1, maxLength: 64, pattern: '^[\\x21-\\x7e]+$' };
  const requests = Object.entries(REQUESTS).map(([type, schema]) => {
    const { $schema: _, ...data } = z.toJSONSchema(schema, { io: 'input' });
    const required = ['id', 'type', ...(data.required?.length ? ['data'] : [])];
    const properties = { id: printable, type: { const: type }, timestamp: { type: 'number' }, data };
    return { title: type, type: 'object', properties, required, additionalProperties: false };
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Dhaavak, wire protocol 1: what a client sends',
    $comment: 'Made by `npm run docs` from src/protocol/messages.ts.',
    oneOf: requests,
  };
}

/** The YAML file, for editors: what the schema wants, or a reference to a variable, or nothing. */
function configFileSchema(): Schema {
  const { $schema, ...schema } = z.toJSONSchema(configSchema, { io: 'input' });
  return {
    $schema,
    title: 'Configuration of Dhaavak',
    $comment: 'Made by `npm run docs` from src/config/schema.ts.',
    ...asInFile(schema),
  };
}

/** In the file any text may be `${NAME}`, whatever the value must be, and a key without a value counts as not there. */
function asInFile(schema: Schema): Schema {
  const { default: fallback, properties, additionalProperties, items, ...rest } = schema;
  const note = fallback === undefined || rest.type === 'object' ? {} : { default: fallback };
  if (rest.type === 'object') {
    const inner = Object.entries((properties ?? {}) as Record<string, Schema>);
    return {
      ...rest,
      type: ['object', 'null'],
      ...(properties ? { properties: Object.fromEntries(inner.map(([key, value]) => [key, asInFile(value)])) } : {}),
      additionalProperties: typeof additionalProperties === 'object' ? asInFile(additionalProperties as Schema) : false,
    };
  }
  const value = items ? { ...rest, items: asInFile(items as Schema) } : rest;
  return { anyOf: [value, { type: 'string', pattern: '\\$\\{.+\\}' }, { type: 'null' }], ...note };
}

function json(schema: Schema): string {
  return `${JSON.stringify(schema, null, 2)}\n`;
}
