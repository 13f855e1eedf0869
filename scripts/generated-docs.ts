/** The files that are made from the code: the table of errors, and JSON Schemas of the protocol and the configuration. */
import { z } from 'zod';
import { configSchema } from '../src/config/schema.ts';
import { ERROR_CODES } from '../src/protocol/error-codes.ts';
import { REQUESTS } from '../src/protocol/messages.ts';
import { ERROR_FRAME, EVENT_FRAMES, REPLY_FRAMES } from '../src/protocol/sent-frames.ts';
import * as shapes from '../src/protocol/shapes.ts';

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
    '<!-- Made by `npm run docs` from src/protocol/error-codes.ts: change it there. -->',
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

/** Shapes with a name of their own, under which whatever holds them refers to them. */
const NAMED = {
  Attachment: shapes.attachment,
  Entry: shapes.historyEntry,
  Error: shapes.wireError,
  Presence: shapes.presence,
  Session: shapes.session,
};

/** All frames, of either side. Whoever wants one kind only refers to its definition, such as `#/$defs/event`. */
function protocolSchema(): Schema {
  const { $defs, ...sent } = sentFrames();
  const kinds = ['request', 'reply', 'event', 'error'];
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Dhaavak, wire protocol 1',
    $comment: 'Made by `npm run docs` from src/protocol/.',
    anyOf: kinds.map((kind) => ({ $ref: `#/$defs/${kind}` })),
    $defs: { request: requests(), ...sent, ...($defs as Schema) },
  };
}

/** Frames a client may send: one of the requests, each with its data. A field that is not here is refused. */
function requests(): Schema {
  const printable = { type: 'string', minLength: 1, maxLength: 64, pattern: '^[\\x21-\\x7e]+$' };
  const oneOf = Object.entries(REQUESTS).map(([type, schema]) => {
    const { $schema: _, ...data } = z.toJSONSchema(schema, { io: 'input' });
    const required = ['id', 'type', ...(data.required?.length ? ['data'] : [])];
    const properties = { id: printable, type: { const: type }, timestamp: { type: 'number' }, data };
    return { title: type, type: 'object', properties, required, additionalProperties: false };
  });
  return { title: 'what a client sends', oneOf };
}

/** Frames a gateway sends, with the shapes in them. Fields that are not here come from a newer one, and are ignored. */
function sentFrames(): Schema {
  const metadata = z.registry<{ id?: string; title?: string }>();
  for (const [id, schema] of Object.entries(NAMED)) metadata.add(schema, { id });
  for (const [type, frame] of Object.entries(REPLY_FRAMES)) metadata.add(frame, { title: `to ${type}` });
  for (const [type, frame] of Object.entries(EVENT_FRAMES)) metadata.add(frame, { title: type });
  const all = z.strictObject({
    reply: z.union(Object.values(REPLY_FRAMES)),
    event: z.union(Object.values(EVENT_FRAMES)),
    error: ERROR_FRAME,
  });
  const { properties, $defs } = z.toJSONSchema(all, {
    metadata,
    override: ({ jsonSchema }) => {
      delete jsonSchema.additionalProperties;
      delete jsonSchema.readOnly;
    },
  });
  return { ...properties, $defs };
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
