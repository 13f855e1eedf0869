import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { laterVersion, STORE_VERSION } from './migrations.ts';
import { STORE_FILE } from './page-file.ts';
import type { Salvage } from './salvage.ts';
import { survey } from './survey.ts';

/** Time for looking at leaves, in milliseconds: some 200 MB of a store in a cache, 25 MB right after the start. */
const BUDGET_MS = 50;
/** After a stop that was no clean one: what is in the store may be why. */
const BUDGET_UNCLEAN_MS = 1_000;

/** What had to be done to a store before it could be used. */
export interface Prepared {
  salvaged?: Salvage;
  /** The version it was of. */
  migratedFrom?: number;
}

/**
 * Makes the store in `folder` one that shards may open: sets a damaged one aside and goes on with what can be read of it,
 * and migrates one of an earlier version. Nobody may have it open. Throws `store_unusable` for one of a later version, and
 * what the system says when there is no room for what it does. LMDB is loaded only if something has to be done.
 */
export async function prepareStore(folder: string, { unclean }: { unclean: boolean }): Promise<Prepared> {
  const prepared: Prepared = {};
  const path = join(folder, STORE_FILE);
  if (!existsSync(path)) return prepared;
  let { damage, tables, version } = survey(path, unclean ? BUDGET_UNCLEAN_MS : BUDGET_MS);
  if (damage.length > 0) {
    const { salvage } = await import('./salvage.ts');
    prepared.salvaged = await salvage(folder, damage);
    ({ tables, version } = survey(path));
  }
  // A version that cannot be read is found to be damaged, and taken for the first: migrations bear being run again.
  const found = version ?? 1;
  if (found > STORE_VERSION) throw laterVersion(folder, found, STORE_VERSION);
  const isEmpty = [...tables.values()].every(({ entries }) => entries === 0);
  if (found < STORE_VERSION && !isEmpty) {
    const { migrate } = await import('./migrate.ts');
    prepared.migratedFrom = await migrate(folder);
  }
  return prepared;
}
