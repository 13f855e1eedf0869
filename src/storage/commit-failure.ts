/**
 * A trap of lmdb 3.5.6: when a commit fails (a full disk), the promise of each write rejects, as it should, and so do two
 * promises of its own that nobody was given. Node ends a thread for an unhandled rejection; a full disk must not.
 */

/** What lmdb rejects with; the promise inside rejects with the reason. */
interface CommitFailure extends Error {
  commitError: Promise<never>;
}

function isCommitFailure(error: unknown): error is CommitFailure {
  return error instanceof Error && 'commitError' in error && error.commitError instanceof Promise;
}

/** The reason of a failed write, taken out of lmdb's wrapping. */
export async function reasonOf(error: unknown): Promise<unknown> {
  if (!isCommitFailure(error)) return error;
  return error.commitError.catch((reason: unknown) => reason);
}

let listening = false;

/** Makes this thread survive lmdb's own rejections. Any other unhandled rejection ends it as ever. */
export function surviveCommitFailures(): void {
  if (listening) return;
  listening = true;
  process.on('unhandledRejection', (error) => {
    if (!isCommitFailure(error)) throw error;
    error.commitError.catch(() => {}); // told to whoever waits for the commit
  });
}
