import type { Key } from 'lmdb';
import { DhaavakError } from '../protocol/errors.ts';

/** What brings a store from one version to the next. */
export interface Migration {
  /** For the log: what becomes different. */
  readonly what: string;
  /**
   * By table: the value of a record as the new version has it, or undefined for a record that is to go. Tables of bytes
   * (`images`) cannot be changed. It may be asked again about a record it has changed already, when the version before
   * was run once more on a folder in between; it should then return it as it is.
   */
  readonly tables: Readonly<Record<string, (value: unknown, key: Key) => unknown>>;
}

/**
 * The first migrates a store of version 1, the next one of version 2, and so on: append only. Version 1 is what there was
 * before stores had a version; a value with or without a checksum is the same to all versions (`codec.ts`).
 */
export const MIGRATIONS: readonly Migration[] = [
  {
    what: 'what waits in an inbox has a record of its own, and idempotency keys stand by day',
    tables: {
      inbox: (value) => (typeof value === 'string' ? { message: value } : value),
      // Keys of the old form can't be found any more.
      keys: (value) => (typeof value === 'string' ? undefined : value),
    },
  },
];

/** The version this program reads and writes. */
export const STORE_VERSION = 1 + MIGRATIONS.length;

/** The record of the table `meta` that says which version the store is of. */
export const VERSION_KEY = 'version';

/** What is told of a store that only a later version of this program can read. */
export function laterVersion(folder: string, found: number, known: number): DhaavakError {
  return new DhaavakError(
    'store_unusable',
    `the store in ${folder} is of version ${found} and this gateway reads up to version ${known}: install the version ` +
      'that wrote it or a later one, or start from a backup that was made before',
  );
}
