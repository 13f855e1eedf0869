/** The settings of a plugin: checked by the JSON Schema in its manifest, in which `secret: true` marks what nobody is to see. */
import { z } from 'zod';
import { describeIssues } from '../config/problems.ts';
import { PluginError } from './plugin-error.ts';

type JsonSchema = Record<string, unknown>;

/** Throws a PluginError where settings cannot be checked with it. */
export function checkSettingsSchema(schema: JsonSchema): void {
  try {
    toZod(schema);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new PluginError(`its settings are no JSON Schema that can be checked: ${why}`);
  }
}

/** The settings with the defaults there are. Throws a PluginError that says what is wrong with each, without their values. */
export function readSettings(plugin: string, schema: JsonSchema, settings: unknown): Record<string, unknown> {
  const type = toZod(schema);
  const parsed = type.safeParse(settings);
  if (parsed.success) return parsed.data as Record<string, unknown>;
  const issues = parsed.error.issues.map((issue) => ({
    ...issue,
    path: ['plugins', plugin, 'settings', ...issue.path],
  }));
  const around = z.object({ plugins: z.object({ [plugin]: z.object({ settings: type }) }) });
  const problems = describeIssues(issues, () => '', around);
  throw new PluginError(problems.map((problem) => problem.replace(/^: /, '')).join('; '));
}

/** The texts among the settings that are secrets, or are below one. */
export function secretsOf(schema: unknown, settings: unknown, secret = false): string[] {
  const here = secret || (isObject(schema) && schema.secret === true);
  if (typeof settings === 'string') return here ? [settings] : [];
  if (Array.isArray(settings)) {
    return settings.flatMap((item) => secretsOf(isObject(schema) ? schema.items : undefined, item, here));
  }
  if (!isObject(settings)) return [];
  const properties = isObject(schema) && isObject(schema.properties) ? schema.properties : {};
  return Object.entries(settings).flatMap(([key, value]) =>
    secretsOf(Object.hasOwn(properties, key) ? properties[key] : undefined, value, here),
  );
}

/** A setting that the schema does not name is a mistake, unless the schema itself says what becomes of such. */
function toZod(schema: JsonSchema): z.ZodType {
  const strict = { additionalProperties: false, ...schema };
  return z.fromJSONSchema(strict as Parameters<typeof z.fromJSONSchema>[0]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
