/**
 * Whose fault an error is that nobody caught. Everything an adapter does begins in its own async context, which its
 * timers, promises and connections inherit; so an error that reaches the process finds the account it belongs to, and only
 * that one is started again. Where the context was lost (Node loses it in sockets that a server accepted), the error's
 * stack tells: whoever runs a file that it names.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** Told of an error that was thrown or rejected into nothing by what {@link blame} ran for it. */
export interface Blamed {
  fail(error: unknown): void;
}

const context = new AsyncLocalStorage<Blamed>();
/** By the URL of a file, or of a folder with a slash at its end. */
const suspects = new Map<string, Set<Blamed>>();

/** Runs `work`, and blames `blamed` for what it throws into nothing, now or later. */
export function blame<T>(blamed: Blamed, work: () => T): T {
  return context.run(blamed, work);
}

/** Suspects `blamed` of errors from the file or folder `url`, until the function returned is called. */
export function suspect(url: string, blamed: Blamed): () => void {
  const all = suspects.get(url) ?? new Set();
  suspects.set(url, all.add(blamed));
  return () => void all.delete(blamed);
}

/** Catches such errors of this thread from now on; one that is nobody's goes to `unblamed`. */
export function catchErrors(unblamed: (error: unknown) => void): void {
  const onError = (error: unknown): void => {
    const blamed = context.getStore();
    const all = blamed === undefined ? suspectsOf(error) : [blamed];
    for (const one of all) one.fail(error);
    if (all.length === 0) unblamed(error);
  };
  process.on('uncaughtException', onError);
  process.on('unhandledRejection', onError);
}

function suspectsOf(error: unknown): Blamed[] {
  const stack = (error instanceof Error && error.stack) || '';
  return [...suspects].filter(([url]) => stack.includes(url)).flatMap(([, all]) => [...all]);
}
