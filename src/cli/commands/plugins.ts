/** `dhaavak plugins …`: which there are, and how they are. */
import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { KINDS, type Manifest, type PluginPackage, readManifest } from '../../plugins/manifest.ts';
import { PluginError } from '../../plugins/plugin-error.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { CliError, EXIT } from '../exit.ts';
import { addEntry, configFile, type PluginEntry, removeEntry } from '../plugin-entries.ts';
import { pluginRows } from '../plugin-rows.ts';
import { printable } from '../terminal.ts';

interface PluginFlags extends ClientFlags {
  json?: true;
}

/** Prints how every plugin is. Returns the exit code. */
export async function list({ json, ...flags }: PluginFlags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const answer = await client.request('plugin.list', {});
  if (json) console.log(JSON.stringify(answer));
  else if (answer.plugins.length === 0) console.log('No plugin is configured.');
  else console.log(printable(pluginRows(answer.plugins).join('\n')));
  return EXIT.ok;
}

/** Has one plugin loaded anew, or all. Returns the exit code: 1 where one could not be. */
export async function reload(plugin: string | undefined, { json, ...flags }: PluginFlags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const answer = await client.request('plugin.reload', plugin === undefined ? {} : { plugin });
  if (json) console.log(JSON.stringify(answer));
  else if (answer.plugins.length === 0) console.log('No plugin is configured.');
  else console.log(printable(pluginRows(answer.plugins).join('\n')));
  return answer.plugins.some(({ reason, state }) => reason !== null && state !== 'stopped') ? EXIT.failed : EXIT.ok;
}

/** Writes a plugin into the configuration file, and has it loaded where a gateway runs. Returns the exit code. */
export async function add(
  plugin: string,
  { grant, trust, ...flags }: PluginFlags & { grant?: true; trust?: true },
): Promise<number> {
  const file = await configFile(flags);
  const { folder, where } = await find(plugin, file);
  const { manifest } = await read(folder);
  const { name, needs } = manifest;
  const allow = Object.fromEntries(Object.entries(needs).filter(([, list]) => list.length > 0));
  const entry: PluginEntry = {
    ...where,
    ...(trust ? { trusted: true } : {}),
    ...(grant && Object.keys(allow).length > 0 ? { allow } : {}),
  };
  await addEntry(file, name, entry);
  if (!flags.json) console.log(printable([`${name} is in ${file}.`, ...asks(manifest)].join('\n')));
  return reloadWhereItRuns(name, flags);
}

/** Takes a plugin out of the configuration file, and out of use where a gateway runs. Returns the exit code. */
export async function remove(name: string, flags: PluginFlags): Promise<number> {
  const file = await configFile(flags);
  await removeEntry(file, name);
  if (!flags.json) console.log(printable(`${name} is no longer in ${file}.`));
  return reloadWhereItRuns(undefined, flags);
}

/** Says whether the manifest in a folder is in order, and what it asks for. Returns the exit code. */
export async function check(folder: string, json: true | undefined): Promise<number> {
  const { version, manifest } = await read(resolve(folder));
  const kinds = KINDS.filter((kind) => manifest[kind] !== undefined);
  if (json) console.log(JSON.stringify({ ok: true, name: manifest.name, version, kinds, needs: manifest.needs }));
  else {
    const lines = [`${manifest.name} ${version}: in order. It has ${kinds.join(', ')}.`, ...asks(manifest)];
    console.log(printable(lines.join('\n')));
  }
  return EXIT.ok;
}

/** The gateway need not run: it finds the plugin when it is started. */
async function reloadWhereItRuns(name: string | undefined, flags: PluginFlags): Promise<number> {
  try {
    return await reload(name, flags);
  } catch (error) {
    if (!(error instanceof CliError) || error.exitCode !== EXIT.unreachable) throw error;
    if (!flags.json) console.log('No gateway runs here: this counts from its next start.');
    return EXIT.ok;
  }
}

/** A folder, or else a package beside the configuration file. */
async function find(plugin: string, file: string): Promise<{ folder: string; where: PluginEntry }> {
  const folder = resolve(plugin);
  if (await isFolder(folder)) return { folder, where: { path: folder } };
  const installed = join(dirname(file), 'node_modules', plugin);
  if (await isFolder(installed)) return { folder: installed, where: { package: plugin } };
  throw new CliError(`neither ${folder} nor ${installed} is a folder`, EXIT.usage);
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

async function read(folder: string): Promise<PluginPackage> {
  try {
    return await readManifest(folder);
  } catch (error) {
    throw error instanceof PluginError ? new CliError(error.message, EXIT.usage) : error;
  }
}

/** What an operator should know before it is used. */
function asks({ name, needs, routes, settings, ...kinds }: Manifest): string[] {
  const trusting = KINDS.filter((kind) => kind !== 'tools' && { ...kinds, routes }[kind] !== undefined);
  const open = routes?.list.filter(({ scope }) => scope === 'open').map(({ path }) => path) ?? [];
  const keys = Object.keys((settings as { properties?: object }).properties ?? {});
  return [
    ...(trusting.length === 0 ? [] : [`  needs plugins.${name}.trusted: true for its ${trusting.join(', ')}`]),
    ...Object.entries(needs).flatMap(([kind, list]) =>
      list.length === 0 ? [] : [`  asks for allow.${kind}: ${list.join(', ')}`],
    ),
    ...(open.length === 0 ? [] : [`  asks for allow.openRoutes: ${open.join(', ')}`]),
    ...(keys.length === 0 ? [] : [`  has settings: ${keys.join(', ')}`]),
  ];
}
