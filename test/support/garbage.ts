import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects whatever nothing holds any more, in this thread. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
