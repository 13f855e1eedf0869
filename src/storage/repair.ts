import { join } from 'node:path';
import { writePrivateFile } from '../config/private-file.ts';
import { damagedRecords } from './check.ts';
import { STORE_FILE } from './page-file.ts';
import { type Salvage, salvage } from './salvage.ts';
import { openEnvironment } from './store.ts';
import { survey } from './survey.ts';

/** Records removed in one transaction. */
const BATCH_MAX = 1_000;
/** Of these the key says enough: they are made anew from it when they are next needed. */
const KEPT = ['sessions', 'deletions', 'meta'];

/** What was done to a store. */
export interface Repair {
  salvaged?: Salvage;
  /** Damaged records that were taken out of the store, and the file in the data folder they are in now. */
  removed: number;
  file?: string;
}

/**
 * Mends the store in `folder`: one whose structure is damaged is salvaged, and records that cannot be read are taken out of
 * it and kept in a file of JSON Lines, key and value in base64. Nobody may have the store open.
 */
export async function repairStore(folder: string): Promise<Repair> {
  const path = join(folder, STORE_FILE);
  const repair: Repair = { removed: 0 };
  const { damage } = survey(path);
  if (damage.length > 0) repair.salvaged = await salvage(folder, damage);
  const damaged = [...damagedRecords(path)].filter(({ table }) => !KEPT.includes(table));
  if (damaged.length === 0) return repair;
  const lines = damaged.map(({ table, key, value, decoded }) =>
    JSON.stringify({ table, decoded, key: key.toString('base64'), value: value.toString('base64') }),
  );
  repair.file = `damaged-records-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}.jsonl`;
  await writePrivateFile(join(folder, repair.file), `${lines.join('\n')}\n`);
  const root = openEnvironment(folder);
  try {
    for (const table of new Set(damaged.map(({ table }) => table))) {
      const keys = damaged.filter((record) => record.table === table).map(({ key }) => key);
      const raw = root.openDB<Buffer, Buffer>({ name: table, encoding: 'binary', keyEncoding: 'binary' });
      for (let at = 0; at < keys.length; at += BATCH_MAX) {
        raw.transactionSync(() => {
          for (const key of keys.slice(at, at + BATCH_MAX)) raw.removeSync(key);
        });
      }
    }
  } finally {
    await root.close();
  }
  repair.removed = damaged.length;
  return repair;
}
