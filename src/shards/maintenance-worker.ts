/** Tasks of the maintenance thread, each an exported function of plain data: work on the store of a running gateway. */
import type { StoreCheck } from '../protocol/messages.ts';
import { type Backup, backUp } from '../storage/backup.ts';
import { checkStore } from '../storage/check.ts';
import { openEnvironment } from '../storage/store.ts';

export function backup({ home, folder }: { home: string; folder: string }): Promise<Backup> {
  return backUp(home, folder);
}

/** Holds on to one state of the store, so that none of its pages is used again while it is read. */
export async function check(home: string): Promise<StoreCheck> {
  const root = openEnvironment(home);
  const state = root.useReadTransaction();
  try {
    return checkStore(home);
  } finally {
    state.done();
    await root.close();
  }
}
