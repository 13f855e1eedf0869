/** The files of a plugin whose code runs in a sandbox: read once with the plugin, so that a call needs no disk. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { PluginError } from './plugin-error.ts';

/** Of all files together, as JSON in characters: with every call they go to a sandbox host, in one line of its pipe. */
const SOURCE_LENGTH_MAX = 512 * 1024;
const FILES_MAX = 64;
const DEPTH_MAX = 8;

/** All `.js` and `.mjs` files of a plugin but those of other packages, by their paths from its folder. */
export async function readSources(folder: string, entry: string): Promise<Record<string, string>> {
  const root = await realpath(folder);
  const sources: Record<string, string> = {};
  let length = 0;
  for await (const path of scriptsIn(root, root, 0)) {
    if (Object.keys(sources).length >= FILES_MAX) throw new PluginError(`it has more than ${FILES_MAX} script files`);
    length += (await stat(path)).size;
    if (length > SOURCE_LENGTH_MAX) throw tooLong();
    sources[relative(root, path).split(sep).join('/')] = await readFile(path, 'utf8');
  }
  if (JSON.stringify(sources).length > SOURCE_LENGTH_MAX) throw tooLong();
  if (sources[entry] === undefined) throw new PluginError(`there is no file ${entry} in ${folder}`);
  return sources;
}

function tooLong(): PluginError {
  return new PluginError(`its scripts have more than ${SOURCE_LENGTH_MAX} characters; bundle what is needed of them`);
}

/** A link is passed over: what it leads to may be outside. */
async function* scriptsIn(root: string, folder: string, depth: number): AsyncGenerator<string> {
  if (depth > DEPTH_MAX) return;
  for (const item of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, item.name);
    if (item.isDirectory() && item.name !== 'node_modules' && !item.name.startsWith('.')) {
      yield* scriptsIn(root, path, depth + 1);
    } else if (item.isFile() && /\.m?js$/.test(item.name)) yield path;
  }
}
