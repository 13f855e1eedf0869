/** Tools as TypeScript, which models read better than JSON Schema, and in fewer tokens. */
import type { OtherTool } from '../tool.ts';

/** What the model is told of all tools together, in UTF-16 code units; tools that no longer fit are only named. */
const SIGNATURES_LENGTH_MAX = 32_768;
/** How deep a type is written out; `unknown` below. */
const TYPE_DEPTH_MAX = 8;
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;
/** Words that can't name a variable, as far as they can begin a tool's name. */
const RESERVED = new Set(
  'await break case catch class const continue debugger default delete do else enum export extends false finally for function if implements import in instanceof interface let new null package private protected public return static super switch this throw true try typeof var void while with yield'.split(
    ' ',
  ),
);

type Schema = Record<string, unknown>;

/** A signature for each tool, with what it does and what its arguments mean as comments. */
export function signaturesOf(tools: readonly OtherTool[]): string {
  let length = 0;
  const named: string[] = [];
  const written = tools.flatMap((tool) => {
    const signature = signatureOf(tool);
    length += signature.length;
    if (length <= SIGNATURES_LENGTH_MAX) return [signature];
    named.push(expressionOf(tool.name));
    return [];
  });
  if (named.length > 0) written.push(`// Too many to show: ${named.join(', ')}. Each takes one object.`);
  return written.join('\n');
}

/** How a program names a tool: `files.read`, `mcp.github["create-issue"]`. */
export function expressionOf(name: string): string {
  return name
    .split('.')
    .map((part, index) => {
      if (index > 0) return IDENTIFIER.test(part) ? `.${part}` : `["${part}"]`;
      return IDENTIFIER.test(part) && !RESERVED.has(part) ? part : `globalThis["${part}"]`;
    })
    .join('');
}

function signatureOf({ name, description, inputSchema, returns }: OtherTool): string {
  const about = description
    .trim()
    .split('\n')
    .map((line) => `// ${line}`.trimEnd())
    .join('\n');
  const optional = requiredOf(inputSchema).length === 0 ? '?' : '';
  const input =
    Object.keys(propertiesOf(inputSchema)).length === 0 && optional
      ? ''
      : `input${optional}: ${typeOf(inputSchema, 0)}`;
  return `${about}\n${expressionOf(name)}(${input}): Promise<${returns ?? 'unknown'}>`;
}

function typeOf(schema: unknown, depth: number): string {
  if (typeof schema !== 'object' || schema === null || depth > TYPE_DEPTH_MAX) return 'unknown';
  const { enum: values, const: value, anyOf, oneOf, allOf, type } = schema as Schema;
  if (Array.isArray(values)) return values.map((one) => JSON.stringify(one)).join(' | ');
  if (value !== undefined) return JSON.stringify(value);
  const union = anyOf ?? oneOf;
  if (Array.isArray(union)) return unionOf(union.map((one) => typeOf(one, depth + 1)));
  if (Array.isArray(allOf)) return allOf.map((one) => grouped(typeOf(one, depth + 1))).join(' & ');
  if (Array.isArray(type)) return unionOf(type.map((one) => typeOf({ ...schema, type: one }, depth)));
  if (type === 'object' || 'properties' in schema) return objectOf(schema as Schema, depth);
  if (type === 'array') return `${grouped(typeOf((schema as Schema).items, depth + 1))}[]`;
  if (type === 'integer' || type === 'number') return 'number';
  return type === 'string' || type === 'boolean' || type === 'null' ? type : 'unknown';
}

function objectOf(schema: Schema, depth: number): string {
  const { additionalProperties } = schema;
  const required = requiredOf(schema);
  const fields = Object.entries(propertiesOf(schema)).map(([key, field]) => {
    const name = IDENTIFIER.test(key) ? key : JSON.stringify(key);
    const optional = required.includes(key) ? '' : '?';
    return `${name}${optional}: ${typeOf(field, depth + 1)}${commentOf(field)}`;
  });
  if (fields.length > 0) return `{ ${fields.join('; ')} }`;
  if (typeof additionalProperties !== 'object') return 'Record<string, unknown>';
  return `Record<string, ${typeOf(additionalProperties, depth + 1)}>`;
}

/** None where there is something else: a server of tools may say anything. */
function propertiesOf({ properties }: Schema): Schema {
  const isObject = typeof properties === 'object' && properties !== null && !Array.isArray(properties);
  return isObject ? (properties as Schema) : {};
}

function requiredOf({ required }: Schema): readonly unknown[] {
  return Array.isArray(required) ? required : [];
}

/** What an argument means, and what it is without one. */
function commentOf(field: unknown): string {
  const { description, default: otherwise } = (field ?? {}) as { description?: unknown; default?: unknown };
  const parts = [];
  if (typeof description === 'string') parts.push(description.replaceAll('*/', '* /').replaceAll('\n', ' '));
  if (otherwise !== undefined) parts.push(`default ${JSON.stringify(otherwise)}`);
  return parts.length === 0 ? '' : ` /* ${parts.join('; ')} */`;
}

function unionOf(types: string[]): string {
  return [...new Set(types)].join(' | ');
}

function grouped(type: string): string {
  return type.includes(' | ') || type.includes(' & ') ? `(${type})` : type;
}
