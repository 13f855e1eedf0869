/** Plugins as folders, and gateways that have them. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PluginStatus } from '../../src/protocol/messages.ts';
import type { ConfigInput } from './gateway.ts';
import { tempFolder } from './temp-folder.ts';
import { until } from './wait.ts';
import type { WireClient } from './wire-client.ts';

export type Plugins = NonNullable<ConfigInput['plugins']>;

/** What stands under `dhaavak` in its package.json besides name and api. */
export type ManifestParts = Record<string, unknown>;

/** A manifest of tools that take anything. */
export function toolList(...tools: (string | Record<string, unknown>)[]): ManifestParts {
  const list = tools.map((tool) => ({
    description: 'a tool of a test',
    input: { type: 'object', properties: {} },
    risk: 'safe',
    ...(typeof tool === 'string' ? { name: tool } : tool),
  }));
  return { tools: { module: 'tools.mjs', list } };
}

/** Writes a plugin into a folder, a new one where none is given, and returns it. */
export async function writePlugin(
  name: string,
  manifest: ManifestParts,
  files: Record<string, string>,
  { folder, version = '1.0.0' }: { folder?: string; version?: string } = {},
): Promise<string> {
  const path = folder ?? join(await tempFolder(), name);
  await mkdir(path, { recursive: true });
  const all = {
    'package.json': JSON.stringify({ name, version, dhaavak: { name, api: [1, 1], ...manifest } }),
    ...files,
  };
  for (const [file, text] of Object.entries(all)) {
    await mkdir(dirname(join(path, file)), { recursive: true });
    await writeFile(join(path, file), text);
  }
  return path;
}

/** A gateway whose main agent has all tools of plugins. */
export function withPlugins(plugins: Plugins, more: ConfigInput = {}): ConfigInput {
  return {
    agents: { main: { tools: ['time.now', 'calc', 'code', 'group:plugin'] } },
    shards: { count: 1 },
    ...more,
    plugins,
  };
}

/** Waits until a plugin is in a state, and returns how it is. */
export function pluginIs(
  client: WireClient,
  plugin: string,
  state: PluginStatus['state'],
  isSo: (status: PluginStatus) => boolean = () => true,
): Promise<PluginStatus> {
  let last: PluginStatus | undefined;
  const find = async () => {
    last = (await client.ask('plugin.list')).plugins.find((one) => one.plugin === plugin);
    return last?.state === state && isSo(last) ? last : undefined;
  };
  return until(20_000, find, `${plugin} to be ${state}`).catch((error: Error) => {
    throw new Error(`${error.message}; it is ${JSON.stringify(last)}`);
  });
}

export interface Called {
  output: string;
  failed: boolean | undefined;
}

/** Has the offline model call a tool in the main session, and returns how that ended. */
export async function call(client: WireClient, tool: string, input: unknown = {}): Promise<Called> {
  const { message } = await client.ask('message.send', { text: `call ${tool} ${JSON.stringify(input)}` });
  await client.runEnd(message);
  const run = client.events('run.start').find(({ data }) => data.message === message)?.data.run;
  const end = client.events('tool.end').find(({ data }) => data.run === run && data.parent === undefined);
  return { output: end?.data.output ?? '', failed: end?.data.failed };
}

/** What a call said, without the marks of what is untrusted. */
export async function said(client: WireClient, tool: string, input?: unknown): Promise<string> {
  const { output } = await call(client, tool, input);
  return output.replace(/^\[untrusted content from [^\n]*\]\n/, '').replace(/\n\[\w+: end of untrusted content\]$/, '');
}
