/** Questions to a platform about its past: nobody waits for the answer, so what may pass is waited for. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ChannelError } from './adapter.ts';

const TRIES_MAX = 5;
/** Before the second try, where the platform does not say; twice as long with each. */
const PAUSE_MS = 1_000;

/** What `ask` gives, which changes nothing at the platform. Throws its last ChannelError, or when `signal` aborts. */
export async function patiently<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      const { kind, retryAfterMs = PAUSE_MS * 2 ** (tries - 1) } = error as ChannelError;
      if (!mayPass(kind) || tries >= TRIES_MAX || signal.aborted) throw error;
      await delay(retryAfterMs, undefined, { signal });
    }
  }
}

/** Whether the same question may be answered later. */
export function mayPass(kind: ChannelError['kind'] | undefined): boolean {
  return kind === 'rate_limited' || kind === 'temporary' || kind === 'unknown';
}
