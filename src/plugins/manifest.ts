/**
 * What a plugin says of itself: the key `dhaavak` of its package.json. An operator reads it, and the gateway does, before any
 * code of the plugin runs. Strict: a key that is not known is refused.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { describeIssues } from '../config/problems.ts';
import { PluginError } from './plugin-error.ts';
import { checkSettingsSchema } from './settings.ts';

/** The version of what a plugin is given and must export; a plugin names the first and the last one it works with. */
const PLUGIN_API = 1;
/** Bytes of a package.json. */
const FILE_BYTES_MAX = 256 * 1024;
const TOOLS_MAX = 64;
const ROUTES_MAX = 32;
const DESCRIPTION_LENGTH_MAX = 4_000;
/** Of the schema of a tool's input, or of the settings, as JSON; and how deep it may be nested. */
const SCHEMA_LENGTH_MAX = 32_768;
const SCHEMA_DEPTH_MAX = 32;

const jsonSchema = z
  .looseObject({ type: z.literal('object') })
  .refine((schema) => !isDeeper(schema, SCHEMA_DEPTH_MAX), `is nested more than ${SCHEMA_DEPTH_MAX} deep`)
  .refine((schema) => JSON.stringify(schema).length <= SCHEMA_LENGTH_MAX, `has over ${SCHEMA_LENGTH_MAX} characters`);

/** A file of the plugin's, from its folder. */
const file = z
  .string()
  .max(256)
  .regex(
    /^(?:\.\/)?(?:[\w-][\w.-]*\/)*[\w-][\w.-]*\.m?js$/,
    'must be a .js or .mjs file in the folder of the plugin, such as tools.mjs',
  )
  .transform((path) => path.replace(/^\.\//, ''));

const tool = z.strictObject({
  /** Also the name of the function that its module exports. */
  name: z
    .string()
    .max(32)
    .regex(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/, 'a tool is named by lower-case words joined by _'),
  description: z.string().trim().min(1).max(DESCRIPTION_LENGTH_MAX),
  input: jsonSchema.default({ type: 'object', properties: {}, additionalProperties: false }),
  risk: z.enum(['safe', 'ask']).default('ask'),
  safeToRepeat: z.boolean().default(false),
});

const route = z.strictObject({
  /** Below `/plugins/<name>`. */
  path: z.string().regex(/^(\/[a-z0-9._~-]{1,64}){1,8}$/i, 'must be a path such as /hook'),
  methods: z
    .array(z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']))
    .min(1)
    .default(['GET']),
  /** What a credential must be good for; `open`: none is asked for. */
  scope: z.enum(['open', 'read', 'write', 'admin']).default('admin'),
});

const host = z
  .string()
  .max(253)
  .regex(/^(\*\.)?[a-z0-9]([a-z0-9.:-]*[a-z0-9])?$/, 'must be a host such as api.example.org or *.example.org');
const otherTool = z
  .string()
  .max(64)
  .regex(/^(?!plugin\.)[a-z][a-z0-9._-]*$/, 'must be the name of a tool, and not of a plugin');
const variable = z
  .string()
  .regex(/^[A-Za-z_]\w{0,127}$/, 'must be the name of a variable')
  .refine(
    (name) => !/^(DHAAVAK_|ANTHROPIC_API_KEY$|OPENAI_API_KEY$|BRAVE_API_KEY$)/.test(name),
    "is the gateway's own secret",
  );

const manifestSchema = z.strictObject({
  /** As it is called in the configuration. */
  name: z.string().min(1).max(64),
  api: z.tuple([z.int().min(1), z.int().min(1)]),
  tools: z
    .strictObject({
      module: file,
      list: z.array(tool).min(1).max(TOOLS_MAX).refine(unique('name'), 'one is there twice'),
    })
    .optional(),
  channel: z.strictObject({ module: file, webhook: z.boolean().default(false) }).optional(),
  provider: z.strictObject({ module: file }).optional(),
  memory: z.strictObject({ module: file }).optional(),
  routes: z.strictObject({ module: file, list: z.array(route).min(1).max(ROUTES_MAX) }).optional(),
  settings: jsonSchema.default({ type: 'object', properties: {} }),
  needs: z
    .strictObject({
      hosts: z.array(host).max(100).default([]),
      tools: z.array(otherTool).max(100).default([]),
      env: z.array(variable).max(100).default([]),
    })
    .prefault({}),
});

export type Manifest = z.output<typeof manifestSchema>;
export type ManifestTool = z.output<typeof tool>;

/** What of a plugin runs code. `tools` alone need no trust. */
export const KINDS = ['tools', 'channel', 'provider', 'memory', 'routes'] as const;
export type PluginKind = (typeof KINDS)[number];

const packageSchema = z.looseObject({
  version: z.string().min(1).max(64).default('0.0.0'),
  dhaavak: z.unknown(),
});

export interface PluginPackage {
  version: string;
  manifest: Manifest;
}

/** Reads the manifest of the plugin in a folder. Throws a {@link PluginError} that lists everything that is wrong. */
export async function readManifest(folder: string): Promise<PluginPackage> {
  const path = join(folder, 'package.json');
  const read = packageSchema.safeParse(await readJson(path));
  if (!read.success) throw new PluginError(describeIssues(read.error.issues, () => path, packageSchema).join('; '));
  const { version, dhaavak } = read.data;
  if (dhaavak === undefined) throw new PluginError(`${path} has no key "dhaavak": it is no plugin`);
  const parsed = manifestSchema.safeParse(dhaavak);
  if (!parsed.success) {
    throw new PluginError(describeIssues(parsed.error.issues, () => `${path}: dhaavak`, manifestSchema).join('; '));
  }
  const manifest = parsed.data;
  const [first, last] = manifest.api;
  if (first > PLUGIN_API || last < PLUGIN_API) {
    throw new PluginError(`it is for the plugin API ${first} to ${last}, and this gateway has ${PLUGIN_API}`);
  }
  if (KINDS.every((kind) => manifest[kind] === undefined)) {
    throw new PluginError(`${path}: dhaavak offers nothing: it must have one of ${KINDS.join(', ')}`);
  }
  checkSettingsSchema(manifest.settings);
  for (const { name, input } of manifest.tools?.list ?? []) checkInputSchema(name, input);
  return { version, manifest };
}

async function readJson(path: string): Promise<unknown> {
  try {
    await using handle = await open(path, 'r');
    const { size } = await handle.stat();
    if (size > FILE_BYTES_MAX) throw new PluginError(`${path} is larger than ${FILE_BYTES_MAX} bytes`);
    return JSON.parse(await handle.readFile('utf8'));
  } catch (error) {
    if (error instanceof PluginError) throw error;
    if (error instanceof SyntaxError) throw new PluginError(`${path} is not JSON`);
    const { code } = error as NodeJS.ErrnoException;
    throw new PluginError(code === 'ENOENT' ? `there is no ${path}` : `${path} cannot be read (${code})`);
  }
}

function checkInputSchema(tool: string, schema: Record<string, unknown>): void {
  try {
    z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
  } catch (error) {
    throw new PluginError(`the input of the tool ${tool} is no JSON Schema that can be checked: ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function unique(key: string): (items: Record<string, unknown>[]) => boolean {
  return (items) => new Set(items.map((item) => item[key])).size === items.length;
}

/** Looks no deeper than that. */
function isDeeper(value: unknown, depthMax: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depthMax === 0 || Object.values(value).some((item) => isDeeper(item, depthMax - 1));
}
