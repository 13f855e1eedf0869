/**
 * Up to where messages were kept, so that what was missed can be asked for: Discord has no acknowledgement, a session
 * that cannot be resumed delivers nothing of the time between. Message ids are snowflakes, in order of time over all
 * channels, so one number is enough. It outlives the process in a file of the account's folder.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { readPrivateFile, writePrivateFile } from '../../config/private-file.ts';

const FILE_BYTES_MAX = 64 * 1024;
/** How often the file is written at most, in milliseconds. */
const WRITE_MS = 5_000;
/** Ids that are remembered so that what comes twice is known. */
const RECENT_MAX = 1_000;
/** DM channels that are remembered: no list of them can be had from Discord. */
const DMS_MAX = 100;
/** How far ids may be out of order: Discord's servers make them side by side. */
const MARGIN_MS = 5_000;
/** Nothing older is asked for: an answer would be late, and the gateway knows what it had for 24 hours only. */
const AGE_MAX_MS = 12 * 3_600_000;
/** The first moment of snowflakes. */
const EPOCH_MS = 1_420_070_400_000;

const snowflake = z.string().regex(/^\d{1,20}$/);
const fileSchema = z.strictObject({ bot: snowflake, upTo: snowflake, dms: z.array(snowflake).max(DMS_MAX) });

/** A place in the past that has to be gone through. */
export interface Hold {
  /** A snowflake. */
  readonly from: bigint;
  release(): void;
}

export class Position {
  readonly #path: string;
  readonly #log: Logger;
  readonly #recent = new Set<string>();
  readonly #pending = new Set<string>();
  readonly #holds = new Set<Hold>();
  /** In the order of their last message. */
  readonly #dms = new Set<string>();
  #highest: bigint | undefined;
  /** The first of those that could not be kept. */
  #lost: bigint | undefined;
  #bot = '';
  #written = '';
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(folder: string, log: Logger) {
    this.#path = join(folder, 'position.json');
    this.#log = log;
  }

  /** Takes up where this bot ended. A file that is damaged, or of another bot, is as none. */
  async load(bot: string): Promise<void> {
    this.#bot = bot;
    try {
      const text = await readPrivateFile(this.#path, FILE_BYTES_MAX);
      const file = text === undefined ? undefined : fileSchema.parse(JSON.parse(text));
      if (file?.bot === bot) {
        this.#highest = BigInt(file.upTo);
        for (const dm of file.dms) this.#dms.add(dm);
      }
    } catch (error) {
      this.#log.warn({ error }, 'where the messages from Discord ended cannot be read: none is asked for again');
    }
    this.#highest ??= at(Date.now());
  }

  /** Whether a message is new: it begins to be handled. */
  begin(id: string): boolean {
    if (this.#recent.has(id) || this.#pending.has(id)) return false;
    this.#pending.add(id);
    return true;
  }

  /** It was kept, or is not wanted. */
  kept(id: string): void {
    this.#pending.delete(id);
    this.#recent.add(id);
    if (this.#recent.size > RECENT_MAX) this.#recent.delete(this.#recent.values().next().value!);
    const number = BigInt(id);
    if (this.#highest === undefined || number > this.#highest) this.#highest = number;
    this.#writeSoon();
  }

  /** It was given up for now. It is asked for again with the next session. */
  lost(id: string): void {
    this.#pending.delete(id);
    this.#lost = lower(this.#lost, BigInt(id));
    this.#writeSoon();
  }

  dm(channel: string): void {
    this.#dms.delete(channel);
    this.#dms.add(channel);
    if (this.#dms.size > DMS_MAX) this.#dms.delete(this.#dms.values().next().value!);
  }

  get dms(): readonly string[] {
    return [...this.#dms];
  }

  /** From where to ask for what was missed. Until `release`, what is after it counts as not kept. */
  hold(): Hold {
    const from = larger(this.#upTo() - (BigInt(MARGIN_MS) << 22n), at(Date.now() - AGE_MAX_MS));
    const hold: Hold = { from, release: () => void this.#holds.delete(hold) };
    this.#holds.add(hold);
    this.#lost = undefined;
    return hold;
  }

  /** Writes the file, for the last time. Never rejects. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#closed = true;
    await this.#write();
  }

  #upTo(): bigint {
    let first = this.#lost;
    for (const id of this.#pending) first = lower(first, BigInt(id));
    for (const { from } of this.#holds) first = lower(first, from + 1n);
    const highest = this.#highest ?? at(Date.now());
    return first === undefined ? highest : lower(highest, first - 1n);
  }

  #writeSoon(): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#write();
    }, WRITE_MS).unref();
  }

  #write(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      if (this.#highest === undefined) return;
      const text = JSON.stringify({ bot: this.#bot, upTo: String(this.#upTo()), dms: this.dms });
      if (text === this.#written) return;
      try {
        await writePrivateFile(this.#path, text);
        this.#written = text;
      } catch (error) {
        this.#log.warn({ error }, 'where the messages from Discord ended cannot be written');
      }
    });
    return this.#writing;
  }
}

/** The first snowflake of a moment. */
function at(ms: number): bigint {
  return BigInt(ms - EPOCH_MS) << 22n;
}

function lower(a: bigint | undefined, b: bigint): bigint {
  return a === undefined || b < a ? b : a;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
