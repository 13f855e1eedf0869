import { existsSync, globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempFolder } from './temp-folder.ts';

/** Debian's, of its package `faketime`. */
const LIBRARY = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')[0];

/** A machine's clock that a test sets, for processes that are started with `env`. Elapsed time goes on as ever. */
export interface FakeClock {
  env: Record<string, string>;
  /** From now on the processes' clock is off by so many seconds. */
  set(seconds: number): void;
}

/** Undefined where the package `faketime` is not installed. */
export async function fakeClock(): Promise<FakeClock | undefined> {
  if (LIBRARY === undefined || !existsSync(LIBRARY)) return undefined;
  const file = join(await tempFolder(), 'offset');
  const set = (seconds: number) => writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
  set(0);
  const env = {
    LD_PRELOAD: LIBRARY,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1', // its older name
    NO_FAKE_STAT: '1',
  };
  return { env, set };
}
