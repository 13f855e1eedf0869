import type { ProcessClock } from './clock.ts';

/** Resolves after `ms` milliseconds; rejects with the signal's reason when that is aborted first. */
export function pause(clock: ProcessClock, queue: string, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.later(queue, ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
