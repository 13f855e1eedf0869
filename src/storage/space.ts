import { stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { STORE_FILE } from './page-file.ts';

/** Bytes of the store in `folder`, and bytes its disk has left for this user. */
export async function storageSpace(folder: string): Promise<{ bytes: number; diskFreeBytes: number }> {
  const disk = await statfs(folder);
  const bytes = await stat(join(folder, STORE_FILE)).then(
    ({ size }) => size,
    () => 0,
  );
  return { bytes, diskFreeBytes: disk.bavail * disk.bsize };
}
