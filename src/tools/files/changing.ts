import { type Boundary, besideFile, type Folder } from './folder.ts';
import { segmentsOf } from './path.ts';

/** The last change of each file that is being changed. */
const changes = new Map<string, Promise<unknown>>();

/**
 * As {@link besideFile}, one after the other for each file: a model makes several edits of a file in one turn, and its calls
 * are made at the same time. Sessions on other shards do not wait for each other: they are seen by `replaceFile`.
 */
export async function changing<T>(
  boundary: Boundary,
  path: string,
  use: (folder: Folder, name: string) => Promise<T>,
  options: { make?: boolean } = {},
): Promise<T> {
  const file = [boundary.root, ...segmentsOf(path, boundary.root)].join('/');
  const before = changes.get(file);
  const change = (async () => {
    await before?.catch(() => undefined);
    return await besideFile(boundary, path, use, options);
  })();
  changes.set(file, change);
  try {
    return await change;
  } finally {
    if (changes.get(file) === change) changes.delete(file);
  }
}
