import { readFileSync } from 'node:fs';
import { PageFile } from '../../src/storage/page-file.ts';
import { ReadableFile } from '../../src/storage/readable.ts';
import { storeFile } from './store-files.ts';

/**
 * The tables of the store in `home` in which a key or value holds `text`, read from the file itself, past the code of the
 * tables. Nobody may write to it.
 */
export function tablesWith(home: string, text: string): string[] {
  const tables = new Set<string>();
  using file = new PageFile(storeFile(home));
  for (const { table, key, value } of new ReadableFile(file).records()) {
    if (key.includes(text) || value.includes(text)) tables.add(table);
  }
  return [...tables].sort();
}

/** In how many places of a file the bytes of `text` stand, whether anything leads to them or not. */
export function placesOf(path: string, text: string): number {
  return readFileSync(path).toString('latin1').split(text).length - 1;
}
