import type { Database, Key, RootDatabase } from 'lmdb';
import { laterVersion, MIGRATIONS, type Migration, VERSION_KEY } from './migrations.ts';
import { openEnvironment, openTable } from './store.ts';

/** Records changed in one transaction. */
const BATCH_MAX = 1_000;
/** The record of the table `meta` that says how far a migration has come. */
const PROGRESS_KEY = 'migration';

/** The last record that was changed, in the migration to version `to`. */
interface Progress {
  to: number;
  table: string;
  after: Key;
}

/**
 * Brings the store in `folder` to the version of this program, one version after the other, in transactions of 1,000
 * records each. Whoever is killed half-way finds the place again at the next call. Nobody else may use the store meanwhile.
 * Returns the version it was of. Throws `store_unusable` for a store of a later version, and what LMDB throws.
 */
export async function migrate(folder: string, migrations: readonly Migration[] = MIGRATIONS): Promise<number> {
  const root = openEnvironment(folder);
  try {
    const meta: Database<unknown, string> = openTable(root, 'meta', () => {});
    const found = Number(meta.get(VERSION_KEY) ?? 1);
    if (found > migrations.length + 1) throw laterVersion(folder, found, migrations.length + 1);
    for (let version = found; version <= migrations.length; version++) {
      migrateOnce(root, meta, version + 1, migrations[version - 1] as Migration);
    }
    return found;
  } finally {
    await root.close();
  }
}

function migrateOnce(root: RootDatabase, meta: Database<unknown, string>, to: number, { tables }: Migration): void {
  const progress = meta.get(PROGRESS_KEY) as Progress | undefined;
  const begun = progress?.to === to ? progress : undefined;
  const names = Object.keys(tables);
  for (const name of begun === undefined ? names : names.slice(names.indexOf(begun.table))) {
    const table: Database<unknown, Key> = openTable(root, name, () => {});
    let after = name === begun?.table ? begun.after : undefined;
    do {
      after = changeBatch(table, tables[name] as Migration['tables'][string], after, (last) => {
        meta.putSync(PROGRESS_KEY, { to, table: name, after: last });
      });
    } while (after !== undefined);
  }
  meta.transactionSync(() => {
    meta.putSync(VERSION_KEY, to);
    meta.removeSync(PROGRESS_KEY);
  });
}

/** Changes the next records in one transaction with `keepPlace`; returns the last of them, undefined when none was left. */
function changeBatch(
  table: Database<unknown, Key>,
  change: Migration['tables'][string],
  after: Key | undefined,
  keepPlace: (last: Key) => void,
): Key | undefined {
  return table.transactionSync(() => {
    const range = after === undefined ? {} : { start: after, exclusiveStart: true };
    // Collected first: a cursor must not run over what is being changed.
    const batch = Array.from(table.getRange({ ...range, limit: BATCH_MAX }));
    for (const { key, value } of batch) {
      if (value === undefined) continue; // damaged: nobody can tell what it would become
      const changed = change(value, key);
      if (changed === undefined) table.removeSync(key);
      else if (changed !== value) table.putSync(key, changed);
    }
    const last = batch.at(-1)?.key;
    if (last !== undefined) keepPlace(last);
    return last;
  });
}
