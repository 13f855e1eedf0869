import { statfsSync } from 'node:fs';

/** How often a journal that failed is tried again, in milliseconds. */
const PROBE_MS = 1_000;
/** A group of commits that takes this long is no slow disk any more, in milliseconds. */
const STUCK_MS = 10_000;
/** With less than this left, a disk is the reason why nothing can be written: LMDB speaks of an I/O error. */
const FULL_BYTES = 16 * 1024 ** 2;

export interface JournalHealthOptions {
  /** Where the journal is. */
  folder: string;
  /** Writes something small, through the journal. */
  probe(): Promise<void>;
  /** Called with why nothing can be written, and with undefined when that is over. */
  onChange(trouble: string | undefined): void;
}

/**
 * Whether the journal can be written. One that failed is tried again every second, so that it is known to be well again
 * when the disk is, though nobody sends a message.
 */
export class JournalHealth {
  readonly #options: JournalHealthOptions;
  readonly #timer: NodeJS.Timeout;
  #trouble: string | undefined;
  /** When the group that is being written was begun; 0: none is. */
  #writingSince = 0;

  constructor(options: JournalHealthOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), PROBE_MS).unref();
  }

  /** A group is about to be written. */
  began(): void {
    this.#writingSince = performance.now();
  }

  /** It is on the disk, or it failed for a reason. */
  ended(failure?: unknown): void {
    this.#writingSince = 0;
    if (failure === undefined) this.#tell(undefined);
    else if (this.#trouble === undefined) {
      this.#tell(`the journal cannot be written: ${reasonOf(failure, this.#options.folder)}`);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#writingSince !== 0) {
      const ms = performance.now() - this.#writingSince;
      if (ms > STUCK_MS) this.#tell(`the disk has not answered for ${STUCK_MS / 1_000} s`);
    } else if (this.#trouble !== undefined) this.#options.probe().catch(() => {}); // told by ended()
  }

  #tell(trouble: string | undefined): void {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.#options.onChange(trouble);
  }
}

function reasonOf(failure: unknown, folder: string): string {
  const left = bytesLeft(folder);
  if (left < FULL_BYTES) return `the disk is full (${Math.round(left / 1024)} KB left)`;
  return failure instanceof Error ? failure.message : String(failure);
}

/** Infinity where the system does not say. */
function bytesLeft(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return Infinity;
  }
}
