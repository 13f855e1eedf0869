/**
 * Up to where an account kept what its platform delivers, so that what was missed can be asked for: where a session or the
 * last redelivery is over, nothing of the time between comes by itself. Messages have numbers in order of time over all
 * chats, so one number is enough. It outlives the process in a file of the account's folder.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { readPrivateFile, writePrivateFile } from '../config/private-file.ts';

const FILE_BYTES_MAX = 64 * 1024;
/** How often the file is written at most, in milliseconds. */
const WRITE_MS = 5_000;
/** Messages that are remembered so that what comes twice is known. */
const RECENT_MAX = 1_000;
/** Places that are remembered, the latest. */
export const PLACES_MAX = 100;
const PLACE_LENGTH_MAX = 100;
/** How far numbers may be out of order: a platform's servers make them side by side. */
const MARGIN_MS = 5_000;
/** Nothing older is asked for: an answer would be late, and the gateway knows what it had for 24 hours only. */
const AGE_MAX_MS = 12 * 3_600_000;

/** How a platform numbers its messages. */
export interface Numbering {
  /** The platform's name, for the log. */
  readonly platform: string;
  /** The number of a message, by the id it has here. */
  numberOf(id: string): bigint;
  /** The first number of a moment, in milliseconds since the epoch. */
  at(ms: number): bigint;
}

/** What is in the file. */
interface Note {
  /** The account's own user. */
  readonly bot: string;
  readonly upTo: string;
  readonly places: readonly string[];
}

/** A place in the past that has to be gone through. */
export interface Hold {
  /** What comes after this number is asked for. */
  readonly from: bigint;
  release(): void;
}

export class Position {
  readonly #path: string;
  readonly #numbering: Numbering;
  readonly #log: Logger;
  readonly #recent = new Set<string>();
  readonly #pending = new Set<string>();
  readonly #holds = new Set<Hold>();
  /** In the order of their last message. */
  readonly #places = new Set<string>();
  #highest: bigint | undefined;
  /** The first of those that could not be kept. */
  #lost: bigint | undefined;
  #bot = '';
  #written = '';
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(folder: string, numbering: Numbering, log: Logger) {
    this.#path = join(folder, 'position.json');
    this.#numbering = numbering;
    this.#log = log;
  }

  /** Takes up where this bot ended. Says whether there was a file of it: one that is damaged, or of another bot, is as none. */
  async load(bot: string): Promise<boolean> {
    this.#bot = bot;
    try {
      const text = await readPrivateFile(this.#path, FILE_BYTES_MAX);
      const note = text === undefined ? undefined : noteOf(JSON.parse(text));
      if (note?.bot === bot) {
        this.#highest = BigInt(note.upTo);
        for (const place of note.places) this.#places.add(place);
      }
    } catch (error) {
      const { platform } = this.#numbering;
      this.#log.warn({ error }, `where the messages from ${platform} ended cannot be read: none is asked for again`);
    }
    if (this.#highest !== undefined) return true;
    this.#highest = this.#numbering.at(Date.now());
    // At once: a gateway that is killed soon was there nevertheless.
    void this.#write();
    return false;
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
    const number = this.#numbering.numberOf(id);
    if (this.#highest === undefined || number > this.#highest) this.#highest = number;
    this.#writeSoon();
  }

  /** It was given up for now. It is asked for again with the next {@link hold}. */
  lost(id: string): void {
    this.#pending.delete(id);
    this.lostAfter(this.#numbering.numberOf(id) - 1n);
  }

  /** All that comes after this number was given up for now. */
  lostAfter(number: bigint): void {
    this.#lost = lower(this.#lost, number + 1n);
    this.#writeSoon();
  }

  /** Whether something was given up since the last {@link hold}. */
  get hasLost(): boolean {
    return this.#lost !== undefined;
  }

  /** Something was said in this place: it is to be asked for what was missed. */
  place(place: string): void {
    if (place.length > PLACE_LENGTH_MAX) return;
    this.#places.delete(place);
    this.#places.add(place);
    if (this.#places.size > PLACES_MAX) this.#places.delete(this.#places.values().next().value!);
  }

  /** The latest {@link PLACES_MAX}, in the order of their last message. */
  get places(): readonly string[] {
    return [...this.#places];
  }

  /** From where to ask for what was missed. Until `release`, what is after it counts as not kept. */
  hold(): Hold {
    const { at } = this.#numbering;
    const highest = this.#upTo();
    const from = larger(highest - (at(MARGIN_MS) - at(0)), at(Date.now() - AGE_MAX_MS));
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
    for (const id of this.#pending) first = lower(first, this.#numbering.numberOf(id));
    for (const { from } of this.#holds) first = lower(first, from + 1n);
    const highest = this.#highest ?? this.#numbering.at(Date.now());
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
      const note: Note = { bot: this.#bot, upTo: String(this.#upTo()), places: this.places };
      const text = JSON.stringify(note);
      if (text === this.#written) return;
      try {
        await writePrivateFile(this.#path, text);
        this.#written = text;
      } catch (error) {
        this.#log.warn({ error }, `where the messages from ${this.#numbering.platform} ended cannot be written`);
      }
    });
    return this.#writing;
  }
}

/** Throws where it is none. By hand: zod would be 5 MB more in the thread of the channels. */
function noteOf(value: unknown): Note {
  const { bot, upTo, places } = (value ?? {}) as Partial<Record<keyof Note, unknown>>;
  const listed = Array.isArray(places) && places.length <= PLACES_MAX && places.every(isPlace);
  if (typeof bot === 'string' && typeof upTo === 'string' && /^\d{1,20}$/.test(upTo) && listed) {
    return { bot, upTo, places };
  }
  throw new Error('it is not what was written there');
}

function isPlace(value: unknown): value is string {
  return typeof value === 'string' && value.length <= PLACE_LENGTH_MAX;
}

function lower(a: bigint | undefined, b: bigint): bigint {
  return a === undefined || b < a ? b : a;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
