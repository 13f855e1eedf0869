import { randomUUID } from 'node:crypto';
import type { ToolServices } from './services.ts';

/** Has `work` done by the services, and cancels it there when `signal` aborts. An AbortSignal does not cross threads. */
export async function cancellable<T>(
  services: Pick<ToolServices, 'cancel'>,
  signal: AbortSignal,
  work: (call: string) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const call = randomUUID();
  const cancel = (): void => services.cancel(call);
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await work(call);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
