import { join } from 'node:path';
import { z } from 'zod';
import { readPrivateFile, writePrivateFile } from '../config/private-file.ts';
import type { Config } from '../config/schema.ts';

const FILE = 'starts.json';
const BYTES_MAX = 64 * 1024;
/** Unclean starts kept: as many as the configuration may ask for. */
const TIMES_MAX = 100;

const recordSchema = z.object({
  /** The start that has not ended cleanly yet; null: the last one has. */
  running: z.object({ pid: z.number(), since: z.number() }).nullable(),
  /** When starts happened that followed no clean stop, in milliseconds since the epoch. */
  unclean: z.array(z.number()).max(TIMES_MAX),
  paused: z.boolean(),
});

type StartRecord = z.infer<typeof recordSchema>;

const NOTHING: StartRecord = { running: null, unclean: [], paused: false };

export interface StartsOptions {
  rule: Config['recovery'];
  now(): number;
  /** The record cannot be read or written: the gateway starts all the same. */
  onFault(error: unknown): void;
}

/**
 * How the gateway of a data folder was started and stopped before, in `<home>/starts.json`. A gateway that crashes again
 * and again, because of something it is about to run, comes up without running anything (a restart intensity, as Erlang
 * has for its processes).
 */
export class Starts {
  readonly #file: string;
  readonly #options: StartsOptions;
  #record: StartRecord = NOTHING;
  /** The change that is being written: the next one waits for it. */
  #written: Promise<void> = Promise.resolve();

  private constructor(home: string, options: StartsOptions) {
    this.#file = join(home, FILE);
    this.#options = options;
  }

  /** Looks how the last start ended, and records this one. The folder must be locked. */
  static async begin(home: string, options: StartsOptions): Promise<Starts> {
    const starts = new Starts(home, options);
    const before = await readStarts(home).catch((error: unknown) => {
      options.onFault(error);
      return NOTHING;
    });
    const { uncleanStartsMax, windowMs } = options.rule;
    const now = options.now();
    const unclean = before.running === null ? [] : [...before.unclean, now];
    const recent = unclean.filter((at) => Math.abs(now - at) < windowMs).slice(-TIMES_MAX);
    const tooMany = uncleanStartsMax > 0 && (recent.length >= uncleanStartsMax || (before.paused && recent.length > 0));
    // Not waited for: a start that dies in this moment was none.
    void starts.#write({ running: { pid: process.pid, since: now }, unclean: recent, paused: tooMany });
    return starts;
  }

  /** The last gateway here did not stop cleanly. */
  get wasUnclean(): boolean {
    return this.#record.unclean.length > 0;
  }

  /** Why runs are paused; undefined: they are not. */
  get pausedBecause(): string | undefined {
    if (!this.#record.paused) return undefined;
    return `runs are paused: ${this.#record.unclean.length} starts within ${this.#options.rule.windowMs / 1_000} s followed a crash`;
  }

  /** Resolves when what is known is on the disk. */
  written(): Promise<void> {
    return this.#written;
  }

  /** Runs go on: what was before does not count any more. */
  resumed(): Promise<void> {
    return this.#write({ ...this.#record, unclean: [], paused: false });
  }

  /** This start ends cleanly. */
  ended(): Promise<void> {
    return this.#write(NOTHING);
  }

  /** Never rejects. */
  #write(record: StartRecord): Promise<void> {
    this.#record = record;
    this.#written = this.#written
      .then(() => writePrivateFile(this.#file, `${JSON.stringify(record)}\n`))
      .catch((error: unknown) => this.#options.onFault(error));
    return this.#written;
  }
}

/** What is recorded in `home`. Throws when the file cannot be read or is damaged. */
export async function readStarts(home: string): Promise<StartRecord> {
  const text = await readPrivateFile(join(home, FILE), BYTES_MAX);
  return text === undefined ? NOTHING : recordSchema.parse(JSON.parse(text));
}
