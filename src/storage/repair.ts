import { join } from 'node:path';
import { writePrivateFile } from '../config/private-file.ts';
import { type DamagedRecord, damagedRecords } from './check.ts';
import { Codec } from './codec.ts';
import { STORE_FILE } from './page-file.ts';
import { type Salvage, salvage } from './salvage.ts';
import { sessionOfKey } from './session-record.ts';
import { openEnvironment } from './store.ts';
import { survey } from './survey.ts';

/** Records changed in one transaction. */
const BATCH_MAX = 1_000;

/** What was done to a store. */
export interface Repair {
  salvaged?: Salvage;
  /** Damaged records that were taken out of the store, and the file in the data folder they are in now. */
  removed: number;
  file?: string;
}

/**
 * Mends the store in `folder`: one whose structure is damaged is salvaged, and records that cannot be read are taken out of
 * it and kept in a file of JSON Lines, key and value in base64. In the place of a session's record comes what its key says,
 * since its transcript would not be found without one. Nobody may have the store open.
 */
export async function repairStore(folder: string): Promise<Repair> {
  const path = join(folder, STORE_FILE);
  const repair: Repair = { removed: 0 };
  const { damage } = survey(path);
  if (damage.length > 0) repair.salvaged = await salvage(folder, damage);
  const damaged = [...damagedRecords(path)];
  if (damaged.length === 0) return repair;
  const lines = damaged.map(({ table, key, value, decoded }) =>
    JSON.stringify({ table, decoded, key: key.toString('base64'), value: value.toString('base64') }),
  );
  repair.file = `damaged-records-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}.jsonl`;
  await writePrivateFile(join(folder, repair.file), `${lines.join('\n')}\n`);
  await replace(folder, damaged);
  repair.removed = damaged.length;
  return repair;
}

async function replace(folder: string, damaged: readonly DamagedRecord[]): Promise<void> {
  const root = openEnvironment(folder);
  const codec = new Codec(() => {});
  try {
    for (const name of new Set(damaged.map(({ table }) => table))) {
      const records = damaged.filter(({ table }) => table === name);
      const raw = root.openDB<Buffer, Buffer>({ name, encoding: 'binary', keyEncoding: 'binary' });
      for (let at = 0; at < records.length; at += BATCH_MAX) {
        raw.transactionSync(() => {
          for (const { key, decoded } of records.slice(at, at + BATCH_MAX)) {
            const substitute = substituteFor(name, decoded);
            if (substitute === undefined) raw.removeSync(key);
            else raw.putSync(key, Buffer.from(codec.encode(substitute)));
          }
        });
      }
    }
  } finally {
    await root.close();
  }
}

/** What a record's key says of it, where that is enough. */
function substituteFor(table: string, key: unknown): unknown {
  if (table === 'deletions') return true;
  return table === 'sessions' && typeof key === 'string' ? sessionOfKey(key, Date.now()) : undefined;
}
