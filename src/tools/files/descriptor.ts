/**
 * What may be opened in a workspace, and how. Node has no openat(2): `/proc/self/fd/<n>/<name>` is the same, since the
 * kernel goes from the open folder itself and not from a path that may have become another one meanwhile. So a path is
 * walked name by name, each relative to the folder before it and never through a symbolic link, and there is no moment
 * between a check and the use of what was checked.
 */
import { randomUUID } from 'node:crypto';
import { constants, type Stats } from 'node:fs';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** The workspace itself may be reached through links: whoever configured it made them. */
export const OPEN_ROOT = O_RDONLY | O_DIRECTORY;
export const OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
/** Not blocking: a named pipe would wait for a writer. */
export const OPEN_FILE = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
/** Only what was not there. */
export const OPEN_NEW = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;

export const HAS_PROC = process.platform === 'linux';

/**
 * The path by which the kernel goes from the open folder `fd` itself. Elsewhere than on Linux there is none, and it is
 * `path`, the folder's own: a folder that is replaced by a link at the right moment is then followed. Nobody is there to do it
 * but programs with the gateway's rights, since without Linux nothing runs in a sandbox.
 */
export function placeOf(fd: number, path: string): string {
  return HAS_PROC ? `/proc/self/fd/${fd}` : path;
}

/** The path of what is called `name` in the folder at `place`. */
export function entryOf(place: string, name: string): string {
  return `${place}/${name}`;
}

type Kind = Pick<Stats, 'isFile' | 'isDirectory' | 'isSymbolicLink' | 'isFIFO' | 'isSocket'>;

/** For a person: `a folder`. */
export function kindOf(stats: Kind): string {
  if (stats.isFile()) return 'a file';
  if (stats.isDirectory()) return 'a folder';
  if (stats.isSymbolicLink()) return 'a symbolic link, and links are not followed';
  if (stats.isFIFO()) return 'a named pipe';
  return stats.isSocket() ? 'a socket' : 'a device';
}

/**
 * A file with a second name (a hard link) may be one of a folder outside, so only files with one name are opened. That it is
 * the name in the workspace, and not one outside that was left when the name here went away, takes three steps, in this
 * order, after the file was opened by its name here:
 *
 * 1. Its count of names is 1.
 * 2. A name that is {@link nobodysName} is looked up in its folder. The kernel waits with that until a removal in the folder is
 *    done: in the middle of one the count is less already and the name still there.
 * 3. `/proc/self/fd/<n>` of the file is its name in the folder. Once removed it never is again: a new link is another entry.
 *
 * So the name was there in step 1, and the only one. (Looking at the count by name is not enough: between finding the
 * name and reading the count it may go. Scorecard row 15 has seen it.)
 */
export function isNamedSo(openFile: string, openFolder: string, name: string): boolean {
  return openFile === `${openFolder === '/' ? '' : openFolder}/${name}`;
}

/** The link that says where what is open as `fd` is. */
export function linkOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

export function nobodysName(): string {
  return `.${randomUUID()}`;
}

export function isSame(a: Pick<Stats, 'dev' | 'ino'>, b: Pick<Stats, 'dev' | 'ino'>): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}

export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
