/** What an approval of a command is bound to, besides the command. */
import { createHash } from 'node:crypto';
import { besideFile } from '../files/folder.ts';
import type { Command } from './command.ts';

/** Files of the workspace a command names, which are looked at. */
const FILES_MAX = 10;
/** Larger ones are bound by their size and time of change, in bytes. */
const HASHED_BYTES_MAX = 16 * 1_048_576;
const FACT_LENGTH_MAX = 200;

/**
 * Where the command runs, whether in a sandbox, and the content of each file of the workspace that it names: a script that
 * is changed after it was approved is another command. What a script itself goes on to run is not seen.
 */
export async function bindingOf(command: Command): Promise<Record<string, string>> {
  const facts: Record<string, string> = {
    cwd: [command.root, ...command.folder].join('/').slice(-FACT_LENGTH_MAX),
    sandbox: command.sandbox === undefined ? 'none: it has all rights of the gateway' : sandboxInWords(command),
  };
  const words = new Set(command.argv.flatMap((argument) => argument.split(/[\s"'`;|&()<>=]+/)));
  let files = 0;
  for (const word of words) {
    if (word === '' || word.length > FACT_LENGTH_MAX || word.startsWith('-')) continue;
    const path = word.startsWith('/') ? word : [...command.folder, word].join('/');
    const version = await versionOf(command, path);
    if (version === undefined) continue;
    facts[`sha256 of ${word}`] = version;
    files += 1;
    if (files === FILES_MAX) break;
  }
  return facts;
}

function sandboxInWords({ sandbox }: Command): string {
  return `bubblewrap, ${sandbox?.network ? 'with' : 'without'} network`;
}

/** Undefined: no file of the workspace is called so. */
async function versionOf({ root, home }: Command, path: string): Promise<string | undefined> {
  try {
    return await besideFile({ root, home }, path, async (folder, name) => {
      const { handle, stats } = await folder.openFile(name);
      try {
        if (stats.size > HASHED_BYTES_MAX)
          return `not known: ${stats.size} bytes, changed ${stats.mtime.toISOString()}`;
        const hash = createHash('sha256');
        for await (const chunk of handle.createReadStream({ autoClose: false, end: stats.size })) hash.update(chunk);
        return hash.digest('hex');
      } finally {
        await handle.close();
      }
    });
  } catch {
    return undefined;
  }
}
