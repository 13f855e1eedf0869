/** Tasks of the maintenance thread, each an exported function of plain data: work on the store of a running gateway. */
import { DhaavakError, type WireError } from '../protocol/errors.ts';
import type { StoreCheck } from '../protocol/messages.ts';
import { type Backup, backUp } from '../storage/backup.ts';
import { checkStore } from '../storage/check.ts';
import { openEnvironment } from '../storage/store.ts';

/** An error that a user may see does not survive the way to another thread as what it is. */
export type Outcome<T> = { value: T } | { error: WireError };

export async function backup({ home, folder }: { home: string; folder: string }): Promise<Outcome<Backup>> {
  try {
    return { value: await backUp(home, folder) };
  } catch (error) {
    if (!(error instanceof DhaavakError)) throw error;
    return { error: error.toWire() };
  }
}

/** Holds on to one state of the store, so that none of its pages is used again while it is read. */
export async function check(home: string): Promise<Outcome<StoreCheck>> {
  const root = openEnvironment(home);
  const state = root.useReadTransaction();
  try {
    return { value: checkStore(home) };
  } finally {
    state.done();
    await root.close();
  }
}
