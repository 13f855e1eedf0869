/**
 * Whose fault an error is that nobody caught. Everything an adapter does begins in its own async context, which its
 * timers, sockets and promises inherit; so an error that reaches the process finds the account it belongs to, and only
 * that one is started again.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** Told of an error that was thrown or rejected into nothing by what {@link blame} ran for it. */
export interface Blamed {
  fail(error: unknown): void;
}

const context = new AsyncLocalStorage<Blamed>();

/** Runs `work`, and blames `blamed` for what it throws into nothing, now or later. */
export function blame<T>(blamed: Blamed, work: () => T): T {
  return context.run(blamed, work);
}

/** Catches such errors of this thread from now on; one that is nobody's goes to `unblamed`. */
export function catchErrors(unblamed: (error: unknown) => void): void {
  const onError = (error: unknown): void => {
    const blamed = context.getStore();
    if (blamed === undefined) unblamed(error);
    else blamed.fail(error);
  };
  process.on('uncaughtException', onError);
  process.on('unhandledRejection', onError);
}
