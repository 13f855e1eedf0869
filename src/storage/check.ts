import { join } from 'node:path';
import type { StoreCheck } from '../protocol/messages.ts';
import { Codec } from './codec.ts';
import { STORE_VERSION } from './migrations.ts';
import { NoHeadError, PageFile, STORE_FILE } from './page-file.ts';
import { decodedKey, type RawRecord, ReadableFile } from './readable.ts';
import { survey } from './survey.ts';

/** Damaged records that are named: the rest is counted. */
const NAMED_MAX = 20;
/** The table whose values are bytes, which nobody can check. */
const BYTES_TABLE = 'images';

/** A record that cannot be used. */
export interface DamagedRecord extends RawRecord {
  /** Its key as its table has it, where that can be decoded. */
  decoded: unknown;
}

/**
 * Reads all of the store in `folder` and says what is in it and what is damaged. It reads the file itself and not through
 * LMDB, so that no damage can do harm; some 100 MB a second. Nobody may write meanwhile, unless a reader of LMDB is held.
 */
export function checkStore(folder: string): StoreCheck {
  const path = join(folder, STORE_FILE);
  const { bytes, damage, damages, tables, version } = survey(path);
  const records = Object.fromEntries([...tables].map(([name, { entries }]) => [name, entries]));
  const damaged: StoreCheck['damaged'] = [];
  let damagedTotal = 0;
  for (const { table, decoded } of damagedRecords(path)) {
    damagedTotal += 1;
    if (damaged.length < NAMED_MAX) damaged.push({ table, key: JSON.stringify(decoded) ?? '?' });
  }
  const structure = { damages, first: damage };
  return { version: version ?? null, versionKnown: STORE_VERSION, bytes, records, structure, damaged, damagedTotal };
}

/** The records of a store file whose values are damaged, and the unfinished messages whose text is. */
export function* damagedRecords(path: string): Generator<DamagedRecord> {
  try {
    using file = new PageFile(path);
    const codec = new Codec(() => {});
    const unreadable = new Set<string>();
    for (const record of new ReadableFile(file).records()) {
      const id = record.key.toString('latin1');
      const isDamaged =
        record.table === 'inbox'
          ? unreadable.has(id) // entries come before: tables are read in the order of their names
          : record.table !== BYTES_TABLE && codec.decode(record.value) === undefined;
      if (!isDamaged) continue;
      if (record.table === 'entries') unreadable.add(id);
      yield { ...record, decoded: decodedKey(record.key) };
    }
  } catch (error) {
    if (!(error instanceof NoHeadError)) throw error; // told by the survey
  }
}
