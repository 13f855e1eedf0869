/**
 * What may be opened in a workspace, and how. Node has no openat(2): `/proc/self/fd/<n>/<name>` is the same, since the
 * kernel goes from the open folder itself and not from a path that may have become another one meanwhile. So a path is
 * walked name by name, each relative to the folder before it and never through a symbolic link, and there is no moment
 * between a check and the use of what was checked.
 */
import { constants, type Stats } from 'node:fs';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** The workspace itself may be reached through links: whoever configured it made them. */
export const OPEN_ROOT = O_RDONLY | O_DIRECTORY;
export const OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
/** Not blocking: a named pipe would wait for a writer. */
export const OPEN_FILE = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
/** Only what was not there. */
export const OPEN_NEW = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;

const HAS_PROC = process.platform === 'linux';

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
 * Whether the open file, whose `opened` stats are, is in this place of the workspace and nowhere else. `named` are the
 * stats of its name, taken afterwards. A file with a second name (a hard link) may be one of a folder outside; that its
 * only name is here is seen in one look at that name, so that no other name can come and go between two looks.
 */
export function isOnlyHere(opened: Stats, named: Stats): boolean {
  return named.ino === opened.ino && named.dev === opened.dev && named.nlink === 1;
}

export function isSame(a: Pick<Stats, 'dev' | 'ino'>, b: Pick<Stats, 'dev' | 'ino'>): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}

export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
