/** What the schema has at a path: for values that come as text, and for naming the keys that do exist. */
import { z } from 'zod';
import { configSchema } from './schema.ts';

/** Keys from the outermost in; a number is the place in a list. */
export type Path = readonly PropertyKey[];

/** `gateway.port`, `agents.main.tools.0` */
export function dotted(path: Path): string {
  return path.map(String).join('.');
}

/** The keys of the object at `path` of a schema, of the configuration where none is given; empty where any key may stand. */
export function keysAt(path: Path, root: z.core.$ZodType = configSchema): string[] {
  const schema = schemaAt(path, root);
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

/** `text` as the type the schema wants at `path`, where that is a number it spells; else `text` itself. */
export function coerce(path: Path, text: string): string | number {
  return schemaAt(path) instanceof z.ZodNumber && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function schemaAt(path: Path, root: z.core.$ZodType = configSchema): z.core.$ZodType | undefined {
  let schema: z.core.$ZodType | undefined = root;
  for (const key of path) {
    if (schema instanceof z.ZodObject) schema = unwrap(schema.shape[String(key)]);
    else if (schema instanceof z.ZodRecord) schema = unwrap(schema.valueType);
    else if (schema instanceof z.ZodArray) schema = unwrap(schema.element);
    else return undefined;
  }
  return schema;
}

/** Without the layers that only say what happens when the value is missing. */
function unwrap(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  let inner = schema;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodOptional) {
    inner = inner.unwrap();
  }
  return inner;
}
