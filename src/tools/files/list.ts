/** What is in a folder, as lines: `src/`, `src/main.ts  1,234`. */
import type { Dirent } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { type Boundary, type Folder, inFolder } from './folder.ts';
import { segmentsOf } from './path.ts';
import { UNFINISHED } from './replace.ts';

/** Lines of a list. */
const ENTRIES_MAX = 500;
/** Entries of one folder that are looked at: they are sorted, which must not hold up a shard. */
const FOLDER_ENTRIES_MAX = 5_000;
/** Shown, but not looked into: what is in them is seldom what is looked for, and much. */
export const NOT_ENTERED: ReadonlySet<string> = new Set(['.git', 'node_modules']);

export interface ListRequest {
  path: string;
  /** Folders inside each other that are looked into; 1: only the folder itself. */
  depth: number;
}

/** At most {@link ENTRIES_MAX} entries. Throws as `inFolder` does. */
export function listFolder(boundary: Boundary, { path, depth }: ListRequest): Promise<string> {
  return inFolder(boundary, segmentsOf(path, boundary.root), async (folder) => {
    const lines: string[] = [];
    const whole = await list(folder, depth, lines);
    if (lines.length === 0) return `${folder.path || 'the workspace'} is empty.`;
    const note = `[there is more: list a folder of it, or with less depth]`;
    return [...lines, ...(whole ? [] : [note])].join('\n');
  });
}

/** False: something was left out. */
async function list(folder: Folder, depth: number, lines: string[]): Promise<boolean> {
  const { entries, whole } = await entriesOf(folder);
  for (const entry of entries) {
    if (lines.length >= ENTRIES_MAX) return false;
    lines.push(await lineOf(folder, entry));
    if (!entry.isDirectory() || depth <= 1 || NOT_ENTERED.has(entry.name)) continue;
    // It may have become something else, or be forbidden: then it is only named.
    const inner = await folder.enter(entry.name).catch(() => undefined);
    if (inner === undefined) continue;
    try {
      if (!(await list(inner, depth - 1, lines))) return false;
    } finally {
      await inner.close();
    }
  }
  return whole;
}

/** By name. */
async function entriesOf(folder: Folder): Promise<{ entries: Dirent[]; whole: boolean }> {
  const entries: Dirent[] = [];
  for await (const entry of await opendir(folder.place, { bufferSize: 256 })) {
    if (entries.length === FOLDER_ENTRIES_MAX) return { entries, whole: false };
    if (!entry.name.startsWith(UNFINISHED)) entries.push(entry);
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { entries, whole: true };
}

async function lineOf(folder: Folder, entry: Dirent): Promise<string> {
  // A name may hold a line feed, which would make two entries of it.
  const name = folder.shown(entry.name).replaceAll(/\p{Cc}/gu, '?');
  if (entry.isDirectory()) return `${name}/`;
  if (entry.isSymbolicLink()) return `${name}  (symbolic link)`;
  if (!entry.isFile()) return `${name}  (not a file)`;
  const stats = await folder.look(entry.name);
  return stats === undefined ? name : `${name}  ${stats.size.toLocaleString('en')}`;
}
