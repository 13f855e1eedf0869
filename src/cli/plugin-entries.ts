/** The section `plugins` of a configuration file, changed in place: its comments and all else stay as they are. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Document, isMap, parseDocument } from 'yaml';
import type { Flags } from '../config/environment.ts';
import { loadConfig } from '../config/load.ts';
import { writePrivateFile } from '../config/private-file.ts';
import { CliError, EXIT } from './exit.ts';

/** What `plugins add` writes of a plugin. */
export interface PluginEntry {
  path?: string;
  package?: string;
  trusted?: true;
  allow?: { hosts?: string[]; tools?: string[]; env?: string[] };
}

/** The file that flags and environment mean; it need not be there yet. */
export async function configFile(flags: Flags): Promise<string> {
  const { config, file } = await loadConfig({ flags, env: process.env });
  return file ?? join(config.home, 'dhaavak.yaml');
}

/** Throws a CliError where one of that name is there. */
export async function addEntry(file: string, name: string, entry: PluginEntry): Promise<void> {
  await change(file, (document) => {
    if (document.hasIn(['plugins', name])) {
      throw new CliError(
        `${file} has a plugin ${name} already: change it there, then dhaavak plugins reload`,
        EXIT.usage,
      );
    }
    const plugins = document.get('plugins');
    if (!isMap(plugins)) document.set('plugins', document.createNode({}));
    // `plugins: {}` is written in one line; what it becomes is not.
    const map = document.get('plugins');
    if (isMap(map)) map.flow = false;
    document.setIn(['plugins', name], document.createNode(entry));
  });
}

/** Throws a CliError where there is none of that name. */
export async function removeEntry(file: string, name: string): Promise<void> {
  await change(file, (document) => {
    if (document.deleteIn(['plugins', name])) return;
    throw new CliError(`${file} has no plugin ${name}`, EXIT.usage);
  });
}

async function change(file: string, make: (document: Document) => void): Promise<void> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw new CliError(`${file} cannot be read (${error.code})`, EXIT.usage);
  });
  const document = parseDocument(text);
  if (document.contents === null) document.contents = document.createNode({}) as unknown as typeof document.contents;
  make(document);
  await writePrivateFile(file, document.toString({ lineWidth: 0 }));
}
