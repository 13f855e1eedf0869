/**
 * The module `name` beside the one at `url`, for a worker thread to run: a `.ts` file in the sources and a `.js` file in
 * the built package, as the one that asks is itself.
 */
export function sibling(name: string, url: string): URL {
  return new URL(`./${name}${url.slice(url.lastIndexOf('.'))}`, url);
}
