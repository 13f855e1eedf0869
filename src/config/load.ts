/**
 * The configuration a gateway or client runs with. Each source wins over the ones before it:
 *
 *     defaults of the schema  <  YAML file  <  DHAAVAK_… variables  <  flags
 *
 * ANTHROPIC_API_KEY and its like fill what the file leaves open.
 */
import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ConfigError } from './config-error.ts';
import { type Environment, type Flags, fallbacks, type Override, overrides, substitute } from './environment.ts';
import type { ConfigFile } from './file.ts';
import { type Config, configSchema } from './schema.ts';
import { dotted, type Path } from './shape.ts';

const DEFAULT_HOME = '~/.dhaavak';
/** Looked for in the home folder when neither `--config` nor DHAAVAK_CONFIG names a file. */
const FILE_NAME = 'dhaavak.yaml';

export interface Loaded {
  /** Paths are absolute in it. */
  config: Config;
  /** The file that was read, if there was one. */
  file: string | undefined;
}

/** @throws ConfigError that lists every problem found */
export async function loadConfig({ flags, env }: { flags: Flags; env: Environment }): Promise<Loaded> {
  const path = await findFile(flags, env);
  const file = path === undefined ? undefined : await readFile(path);
  const origins = new Map<string, string>();
  const where = (at: Path): string => origins.get(dotted(at)) ?? file?.locate(at) ?? 'configuration';

  const values = substituted(file, env, where);
  for (const override of fallbacks(env)) set(values, override, origins, { replace: false });
  for (const override of overrides(flags, env)) set(values, override, origins, { replace: true });

  const parsed = configSchema.safeParse(values);
  if (!parsed.success) {
    const { describeIssues } = await import('./problems.ts');
    throw new ConfigError(describeIssues(parsed.error.issues, where));
  }
  return { config: withAbsolutePaths(parsed.data, path), file: path };
}

function withAbsolutePaths(config: Config, file: string | undefined): Config {
  const agents = Object.entries(config.agents).map(([id, agent]) => {
    return [id, agent.workspace === undefined ? agent : { ...agent, workspace: absolute(agent.workspace) }];
  });
  const custom = Object.entries(config.channels.custom).map(([name, channel]) => {
    return [name, { ...channel, module: absolute(channel.module) }];
  });
  const channels = { ...config.channels, custom: Object.fromEntries(custom) };
  const servers = Object.entries(config.tools.mcp.servers).map(([name, server]) => {
    return [name, server.cwd === undefined ? server : { ...server, cwd: absolute(server.cwd) }];
  });
  const tools = { ...config.tools, mcp: { ...config.tools.mcp, servers: Object.fromEntries(servers) } };
  const home = absolute(config.home);
  // Not from where the gateway is started: it is code.
  const plugins = Object.entries(config.plugins).map(([name, plugin]) => {
    const path = plugin.path ?? join('node_modules', plugin.package ?? '');
    return [name, { ...plugin, path: absolute(path, file === undefined ? home : dirname(file)) }];
  });
  return {
    ...config,
    home,
    agents: Object.fromEntries(agents),
    channels,
    tools,
    plugins: Object.fromEntries(plugins),
  };
}

/** `path` with a leading `~` expanded, made absolute, from `base` where that is given. */
function absolute(path: string, base = '.'): string {
  return resolve(base, path.replace(/^~(?=$|[/\\])/, homedir()));
}

async function findFile(flags: Flags, env: Environment): Promise<string | undefined> {
  const named = flags.config ?? (env.DHAAVAK_CONFIG || undefined);
  if (named !== undefined) return absolute(named);
  const path = join(absolute(flags.home ?? (env.DHAAVAK_HOME || DEFAULT_HOME)), FILE_NAME);
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  return exists ? path : undefined;
}

/** Through an import of its own, so that a start without a file does not load the YAML parser. */
async function readFile(path: string): Promise<ConfigFile> {
  const { readConfigFile } = await import('./file.ts');
  return readConfigFile(path);
}

function substituted(file: ConfigFile | undefined, env: Environment, where: (at: Path) => string): unknown {
  const problems: string[] = [];
  const values = substitute(file?.value ?? {}, env, (at, variable) => {
    problems.push(
      `${where(at)}: ${dotted(at)} uses \${${variable}}, and the variable ${variable} is not set; ` +
        `\${${variable}:-} would leave the key unset instead`,
    );
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return values;
}

/** A parent that is no object is left alone: the schema will refuse it, with its place in the file. */
function set(
  values: unknown,
  override: Override,
  origins: Map<string, string>,
  { replace }: { replace: boolean },
): void {
  let parent: unknown = values;
  for (const key of override.path.slice(0, -1)) {
    if (!isObject(parent)) return;
    parent[String(key)] ??= {};
    parent = parent[String(key)];
  }
  const last = String(override.path.at(-1));
  if (!isObject(parent) || (!replace && parent[last] !== undefined)) return;
  parent[last] = override.value;
  origins.set(dotted(override.path), override.origin);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
