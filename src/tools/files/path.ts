/** What a model calls a file, as the way to it from the workspace. Pure: what is on the disk is `folder.ts`'s matter. */

/** In characters. */
const PATH_LENGTH_MAX = 1_024;
/** Linux's limit for one name, in bytes. */
const NAME_BYTES_MAX = 255;
/** Folders inside each other; each is opened on the way. */
const DEPTH_MAX = 32;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;

/**
 * The names on the way from the workspace `root` to `path`: none of them is empty, `.` or `..`, has a slash or a control
 * character. Empty for the workspace itself. An absolute path is taken where it is spelled as one below `root`, which
 * models that have seen it do. Throws an Error that says what is wrong with the path.
 */
export function segmentsOf(path: string, root: string): string[] {
  if (CONTROL.test(path))
    throw new Error(`the path ${JSON.stringify(path.slice(0, 100))} has a control character in it`);
  if (path.length > PATH_LENGTH_MAX) throw new Error(`the path is longer than ${PATH_LENGTH_MAX} characters`);
  const segments: string[] = [];
  for (const name of relative(path, root).split('/')) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (segments.pop() === undefined) throw outside(path);
      continue;
    }
    if (Buffer.byteLength(name) > NAME_BYTES_MAX) throw new Error(`"${name}" is longer than ${NAME_BYTES_MAX} bytes`);
    segments.push(name);
  }
  if (segments.length > DEPTH_MAX) throw new Error(`the path has more than ${DEPTH_MAX} folders`);
  return segments;
}

function relative(path: string, root: string): string {
  if (path === '~' || path.startsWith('~/')) throw outside(path);
  if (!path.startsWith('/')) return path;
  const prefix = root.endsWith('/') ? root : `${root}/`;
  if (`${path}/` === prefix) return '';
  if (!path.startsWith(prefix)) throw outside(path);
  return path.slice(prefix.length);
}

function outside(path: string): Error {
  return new Error(`${path} is outside of the workspace; paths are relative to it, such as notes/today.md`);
}
