/** An adapter with nobody behind it. */
import type { Logger } from 'pino';
import type { Adapter } from '../../src/channels/adapter.ts';

/** Starts it; resolves when it is ready. Rejects when it is anything else than connecting. `scan` is given WhatsApp's codes. */
export async function settled(adapter: Adapter, log: Logger, scan: (code: string) => void = () => {}): Promise<void> {
  const ready = Promise.withResolvers<void>();
  await adapter.start({
    receive: async () => undefined,
    press: async () => '',
    alive: () => undefined,
    qr: (code) => code !== undefined && scan(code),
    state: (state, reason) => {
      if (state === 'ready') ready.resolve();
      else if (state !== 'connecting') ready.reject(new Error(`it is ${state}: ${reason}`));
    },
    log,
  });
  await ready.promise;
}
