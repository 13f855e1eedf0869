import { readdir, readFile } from 'node:fs/promises';

/** Processes of Chromium that are children of `parent`. */
export async function chromiumPids(parent: number): Promise<number[]> {
  return childrenOf(parent, /chrom/);
}

/** Children of `parent` whose name matches. */
export async function childrenOf(parent: number, named = /./): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const ours = await Promise.all(
    pids.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      const [, name, , above] = /\((.*)\) (\S) (\d+)/.exec(status) ?? [];
      return Number(above) === parent && named.test(name ?? '') ? pid : undefined;
    }),
  );
  return ours.filter((pid) => pid !== undefined);
}
