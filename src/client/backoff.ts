/** How a client comes back after its connection was lost. */
export interface ReconnectOptions {
  /** Upper bound of the first delay, in milliseconds; it doubles with every try. Default 250. */
  delayMinMs?: number;
  /** Upper bound of every delay, in milliseconds. Default 30,000. */
  delayMaxMs?: number;
  /** Tries in a row before the client gives up. Default: no end. */
  triesMax?: number;
}

export const RECONNECT_DEFAULTS: Required<ReconnectOptions> = {
  delayMinMs: 250,
  delayMaxMs: 30_000,
  triesMax: Number.POSITIVE_INFINITY,
};

/**
 * Milliseconds before try number `attempt` (from 0): anything from 0 up to a bound that doubles, so that the clients of a
 * gateway that restarts do not all come at once. ("Full jitter", Marc Brooker, AWS Architecture Blog, 2015.)
 *
 * @param random from 0 inclusive to 1 exclusive
 */
export function backoffMs(
  attempt: number,
  { delayMinMs, delayMaxMs }: Required<ReconnectOptions>,
  random: () => number = Math.random,
): number {
  return Math.round(random() * Math.min(delayMaxMs, delayMinMs * 2 ** attempt));
}

/** Waits, or less when `signal` aborts. Never rejects. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
