/** A plugin from its folder to what can be put in use, with its code tried where it can harm nobody. */
import { realpath } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { PluginConfig } from '../config/plugins.ts';
import type { Config } from '../config/schema.ts';
import { createRedactor } from '../telemetry/redact.ts';
import type { SandboxPool } from '../tools/sandbox/pool.ts';
import { grantsOf } from './grants.ts';
import { KINDS, type Manifest, type PluginKind, type PluginPackage, readManifest } from './manifest.ts';
import type { PluginGrants, PluginOffer } from './offer.ts';
import { PluginError } from './plugin-error.ts';
import { type ProbedModule, probeSandboxed, probeTrusted } from './probe.ts';
import { readSources } from './sources.ts';
import { PluginThread, type PluginThreadEvents } from './thread.ts';
import { messageOf, moduleOf } from './trusted.ts';

/** What of the configuration others have names in. */
export type PluginSurroundings = Pick<Config, 'home' | 'agents' | 'channels' | 'log'>;

export interface LoadOptions {
  name: string;
  entry: PluginConfig;
  generation: number;
  surroundings: PluginSurroundings;
  /** To try code in that is not trusted. */
  sandbox: Pick<SandboxPool, 'run'>;
  thread: PluginThreadEvents;
}

/** A plugin that can be put in use. */
export interface LoadedPlugin {
  version: string;
  trusted: boolean;
  kinds: readonly PluginKind[];
  notes: readonly string[];
  grants: PluginGrants;
  offer: PluginOffer;
  routes: NonNullable<Manifest['routes']>['list'];
  /** Where its routes are. */
  thread: PluginThread | undefined;
}

/** Throws a PluginError with what is wrong, free of the plugin's secrets; nothing is left running then. */
export async function loadPlugin(options: LoadOptions): Promise<LoadedPlugin> {
  const { name, entry, surroundings } = options;
  const { folder, version, manifest } = await findPlugin(name, entry, surroundings);
  const { grants, notes } = grantsOf(name, manifest, entry, process.env);
  const kinds = KINDS.filter((kind) => {
    const refusal = manifest[kind] === undefined ? '' : refusalOf(kind, options);
    if (refusal !== '') notes.push(refusal);
    return manifest[kind] !== undefined && refusal === '';
  });
  if (kinds.length === 0) throw new PluginError(`nothing of it can be used: ${notes.join('; ')}`);
  const routes = (kinds.includes('routes') ? manifest.routes : undefined)?.list.filter(({ path, scope }) => {
    const isServed = scope !== 'open' || entry.allow.openRoutes;
    if (!isServed) notes.push(`its route ${path} is open to anybody, and plugins.${name}.allow.openRoutes is not set`);
    return isServed;
  });
  try {
    const offer = await tryCode(options, folder, manifest, kinds, grants);
    const thread = routes && (await openThread(options, folder, manifest, grants));
    return { version, trusted: entry.trusted, kinds, notes, grants, offer, routes: routes ?? [], thread };
  } catch (error) {
    throw new PluginError(createRedactor(grants.secrets)(messageOf(error)));
  }
}

/** Its folder and what it says of itself. Throws a PluginError. */
export async function findPlugin(
  name: string,
  entry: PluginConfig,
  surroundings: Pick<PluginSurroundings, 'home' | 'agents'>,
): Promise<PluginPackage & { folder: string }> {
  const folder = await folderOf(name, entry, surroundings);
  const found = await readManifest(folder);
  const { name: own } = found.manifest;
  if (own !== name) throw new PluginError(`it calls itself ${own}: name it so in the configuration, or another folder`);
  return { ...found, folder };
}

/** The real folder of a plugin. What an agent may write is never run as one. */
async function folderOf(
  name: string,
  { path, package: npm }: PluginConfig,
  { home, agents }: Pick<PluginSurroundings, 'home' | 'agents'>,
) {
  const named = path ?? join(home, 'node_modules', npm ?? '');
  const folder = await realpath(named).catch(() => {
    throw new PluginError(`there is no folder ${named}`);
  });
  for (const [id, { workspace = join(home, 'agents', id) }] of Object.entries(agents)) {
    const theirs = await realpath(workspace).catch(() => workspace);
    if (!isWithin(folder, theirs) && !isWithin(theirs, folder)) continue;
    throw new PluginError(`plugins.${name}: ${named} and the workspace of the agent ${id} are inside each other`);
  }
  return folder;
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !way.startsWith(sep));
}

/** Why a kind cannot be used; empty: it can. */
function refusalOf(kind: PluginKind, { name, entry, surroundings }: LoadOptions): string {
  if (kind !== 'tools' && !entry.trusted) return `its ${kind} needs plugins.${name}.trusted: true`;
  if (kind === 'channel' && Object.hasOwn(surroundings.channels.custom, name)) {
    return `its channel is not used: channels.custom has one named ${name}`;
  }
  return '';
}

/** Tries what runs on the threads of sessions and channels, and says how they get it. */
async function tryCode(
  { name, entry, generation, sandbox }: LoadOptions,
  folder: string,
  manifest: Manifest,
  kinds: readonly PluginKind[],
  grants: PluginGrants,
): Promise<PluginOffer> {
  const module = (file: string) => moduleOf(join(folder, file), generation);
  const offer: PluginOffer = { plugin: name, generation, state: 'it is ready', grants };
  const probed: ProbedModule[] = [];
  const { tools, provider, channel } = manifest;
  if (tools !== undefined) {
    const names = tools.list.map((tool) => tool.name);
    if (entry.trusted) {
      offer.tools = { list: tools.list, code: module(tools.module) };
      probed.push({ ...module(tools.module), exports: names });
    } else {
      const code = { entry: tools.module, files: await readSources(folder, tools.module) };
      offer.tools = { list: tools.list, code };
      await probeSandboxed(sandbox, code, names);
    }
  }
  if (provider !== undefined && kinds.includes('provider')) {
    offer.provider = module(provider.module);
    probed.push({ ...module(provider.module), exports: ['createProvider'] });
  }
  if (channel !== undefined && kinds.includes('channel')) {
    const file = join(folder, channel.module);
    const { webhook } = channel;
    offer.channel = { ...entry.channel, module: file, webhook, settings: grants.settings };
    probed.push({ ...moduleOf(file, generation), exports: ['createAdapter'] });
  }
  if (manifest.memory !== undefined && kinds.includes('memory')) {
    probed.push({ ...module(manifest.memory.module), exports: ['createBackend'] });
  }
  if (probed.length > 0) await probeTrusted(probed);
  return offer;
}

async function openThread(
  { name, generation, surroundings, thread }: LoadOptions,
  folder: string,
  { routes }: Manifest,
  grants: PluginGrants,
): Promise<PluginThread | undefined> {
  if (routes === undefined) return undefined;
  const module = moduleOf(join(folder, routes.module), generation);
  return PluginThread.start({ plugin: name, grants, logLevel: surroundings.log.level, routes: module }, thread);
}
