/** Open folders of a workspace, and what may be done in one without ever leaving the workspace: see `descriptor.ts`. */
import type { Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readlink, rename, stat, unlink } from 'node:fs/promises';
import {
  codeOf,
  entryOf,
  HAS_PROC,
  isNamedSo,
  isSame,
  kindOf,
  linkOf,
  nobodysName,
  OPEN_FILE,
  OPEN_FOLDER,
  OPEN_NEW,
  OPEN_ROOT,
  placeOf,
} from './descriptor.ts';
import { segmentsOf } from './path.ts';

/** Where an agent's files are, and where none of them may be. */
export interface Boundary {
  /** The workspace: an absolute path. */
  root: string;
  /** The gateway's data folder: not entered where a workspace has it inside. */
  home: string;
}

export interface OpenFile {
  handle: FileHandle;
  stats: Stats;
}

/** One open folder of a workspace. */
export class Folder {
  readonly handle: FileHandle;
  /** For messages: relative to the workspace, '' for itself. */
  readonly path: string;

  /** Its path for the kernel, as long as it is open. */
  readonly place: string;

  readonly #home: Stats | undefined;

  /** `whole`: its path without the workspace left out. `home`: of the gateway's data folder, which is not entered. */
  constructor(handle: FileHandle, path: string, whole: string, home: Stats | undefined) {
    this.handle = handle;
    this.path = path;
    this.place = placeOf(handle.fd, whole);
    this.#home = home;
  }

  /** How `name` in it is called in messages. */
  shown(name: string): string {
    return this.path === '' ? name : `${this.path}/${name}`;
  }

  /** What is called `name` here; a link is not followed. Undefined: nothing. */
  async look(name: string): Promise<Stats | undefined> {
    try {
      return await lstat(entryOf(this.place, name));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** The folder `name` in this one. Throws where there is none, or something else, and for the gateway's data folder. */
  async enter(name: string): Promise<Folder> {
    const entry = entryOf(this.place, name);
    try {
      return await openFolder(entry, OPEN_FOLDER, this.shown(name), this.#home);
    } catch (error) {
      throw await this.#explained(name, 'folder', error);
    }
  }

  /** The same, made where there is nothing. */
  async enterOrMake(name: string): Promise<Folder> {
    try {
      await mkdir(entryOf(this.place, name));
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    return this.enter(name);
  }

  /** The file `name`, to be read and closed by the caller. Throws where it is none, or has a name elsewhere too. */
  async openFile(name: string): Promise<OpenFile> {
    // Looked at before it is opened: opening a device may already do something.
    const before = await this.look(name);
    if (before !== undefined && !before.isFile()) throw this.#wrongKind(name, 'file', before);
    let handle: FileHandle;
    try {
      handle = await open(entryOf(this.place, name), OPEN_FILE);
    } catch (error) {
      throw await this.#explained(name, 'file', error);
    }
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) throw this.#wrongKind(name, 'file', stats);
      if (stats.nlink > 1) {
        const advice = 'the file has another name, which may be outside; copy it first';
        throw new Error(`${this.shown(name)} is a hard link: ${advice}`);
      }
      if (await this.#isHere(handle, stats, name)) return { handle, stats };
      throw new Error(`${this.shown(name)} was replaced while it was opened; try again`);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Whether the only name of an open file is `name` in this folder: see `descriptor.ts`. */
  async #isHere(file: FileHandle, stats: Stats, name: string): Promise<boolean> {
    if (!HAS_PROC) {
      const named = await this.look(name);
      return named !== undefined && isSame(named, stats) && named.nlink === 1;
    }
    await this.look(nobodysName());
    return isNamedSo(await readlink(linkOf(file.fd)), await readlink(linkOf(this.handle.fd)), name);
  }

  /** A new file to be written and closed by the caller. Throws EEXIST where there is something. */
  create(name: string, mode: number): Promise<FileHandle> {
    return open(entryOf(this.place, name), OPEN_NEW, mode);
  }

  /** Puts the file `from` in the place of `to`, whatever that is: a link is replaced, not followed. */
  async replace(from: string, to: string): Promise<void> {
    await rename(entryOf(this.place, from), entryOf(this.place, to));
  }

  async remove(name: string): Promise<void> {
    await unlink(entryOf(this.place, name));
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  /** `error` of opening `name`, in words. */
  async #explained(name: string, wanted: 'file' | 'folder', error: unknown): Promise<unknown> {
    const code = codeOf(error);
    if (code === 'ENOENT') {
      return new Error(`there is no ${wanted} ${this.shown(name)}; files.list shows what is in a folder`);
    }
    if (code === 'EACCES' || code === 'EPERM') {
      return new Error(`the gateway may not open ${this.shown(name)}: its permissions forbid it`);
    }
    if (code === 'ELOOP' || code === 'ENOTDIR' || code === 'ENXIO') {
      const stats = await this.look(name).catch(() => undefined);
      const isWanted = stats !== undefined && (wanted === 'file' ? stats.isFile() : stats.isDirectory());
      return stats === undefined || isWanted
        ? new Error(`${this.shown(name)} was replaced while it was opened; try again`)
        : this.#wrongKind(name, wanted, stats);
    }
    return error;
  }

  #wrongKind(name: string, wanted: 'file' | 'folder', stats: Stats): Error {
    return new Error(`${this.shown(name)} is not a ${wanted} but ${kindOf(stats)}`);
  }
}

/**
 * Does `use` in the folder at `segments`, which is open meanwhile. `make`: folders that are missing, the workspace
 * included, are made. Throws an Error for the model where the way there is not one of folders of the workspace.
 */
export async function inFolder<T>(
  boundary: Boundary,
  segments: readonly string[],
  use: (folder: Folder) => Promise<T>,
  { make = false }: { make?: boolean } = {},
): Promise<T> {
  const home = await stat(boundary.home).catch(() => undefined);
  let folder = await openRoot(boundary.root, make, home);
  try {
    for (const name of segments) {
      const next = make ? await folder.enterOrMake(name) : await folder.enter(name);
      await folder.close();
      folder = next;
    }
    return await use(folder);
  } finally {
    await folder.close();
  }
}

/** The same for the folder a file is in, with the file's name. Throws for the workspace itself. */
export function besideFile<T>(
  boundary: Boundary,
  path: string,
  use: (folder: Folder, name: string) => Promise<T>,
  options: { make?: boolean } = {},
): Promise<T> {
  const segments = segmentsOf(path, boundary.root);
  const name = segments.pop();
  if (name === undefined) throw new Error('the path is the workspace itself; name a file in it');
  return inFolder(boundary, segments, (folder) => use(folder, name), options);
}

async function openRoot(root: string, make: boolean, home: Stats | undefined): Promise<Folder> {
  if (process.platform === 'win32') throw new Error('workspaces need Linux or macOS: use the gateway under WSL');
  try {
    if (make) await mkdir(root, { recursive: true });
    return await openFolder(root, OPEN_ROOT, '', home);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw new Error('the workspace is empty; files.write makes the first file');
    throw error;
  }
}

async function openFolder(path: string, flags: number, shown: string, home: Stats | undefined): Promise<Folder> {
  const handle = await open(path, flags);
  if (home === undefined || !isSame(await handle.stat(), home)) return new Folder(handle, shown, path, home);
  await handle.close();
  throw new Error(`${shown || 'the workspace'} is the gateway's data folder, which no tool may enter`);
}
