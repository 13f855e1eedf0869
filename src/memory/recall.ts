import type { Logger } from 'pino';
import type { MemoryConfig } from '../config/memory.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Store } from '../storage/store.ts';
import type { MemoryHit, MemoryQuery } from './backend.ts';
import type { MemoryEntry, MemoryReader } from './entry.ts';

/** Searches for messages under way at the same time, of one shard; a message over that goes without. One takes some 10 ms. */
const RECALLS_MAX = 8;
/**
 * After one that was late or failed, messages go without for so long, in milliseconds, twice as long each time in a row: on a
 * machine that is full each of them would only wait in vain.
 */
const PAUSE_MIN_MS = 1_000;
const PAUSE_MAX_MS = 30_000;
/** How often it is told that messages went without, in milliseconds. */
const TOLD_MS = 60_000;
/** UTF-16 code units of a token, on the safe side for languages with spaces. */
const TOKEN_LENGTH = 3;
/** Longest text of one entry, in UTF-16 code units: more would leave no room for the others. */
const LINE_LENGTH_MAX = 600;

/** Messages of one session in a row that are looked up, and how often one more is: nobody who writes by hand is faster. */
const BURST_MAX = 5;
const AGAIN_MS = 1_000;

const OPENING = '[From your memory, for the next message; it may be out of date:';
const CLOSING = 'End of that.]';

export interface RecallParts {
  search(query: MemoryQuery, signal: AbortSignal): Promise<MemoryHit[]>;
  store: Store;
  clock: Clock;
  log: Logger;
  rule: MemoryConfig['recall'];
}

/** A message, and what its model has before it anyway. */
export interface RecallFor {
  reader: MemoryReader;
  /** What was said. */
  text: string;
  /** Entries of the session from this number on are in the context. */
  beforeSeq: number;
  /** Whether the transcript has any before that. */
  hasOlder: boolean;
  /** Of the turns in the context. */
  messages: ReadonlySet<string>;
  signal: AbortSignal;
}

/** What is put before the model. */
export interface Recalled {
  text: string;
  entries: readonly MemoryEntry[];
}

/** How often messages of one session are looked up: a flood of them must not keep the memory from others. */
export class RecallPace {
  #left = BURST_MAX;
  #at = 0;

  /** Whether one more may be, `now` in milliseconds of a clock that never goes back. */
  take(now: number): boolean {
    this.#left = Math.min(BURST_MAX, this.#left + (now - this.#at) / AGAIN_MS);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

/** Looks for what has to do with a message, where there is anything to find that its model does not have before it. */
export class AutomaticRecall {
  readonly #parts: RecallParts;
  #underWay = 0;
  /** Messages that went without since that was last told, by why. */
  #missed = nothingMissed();
  /** On the clock of `elapsed`. */
  #notBefore = -PAUSE_MAX_MS;
  #pauseMs = PAUSE_MIN_MS;
  #toldAt = -TOLD_MS;

  constructor(parts: RecallParts) {
    this.#parts = parts;
  }

  /** A look at what is in memory and at a page or two of the store; true: {@link for} is worth a search. */
  mayFind({ reader, text, hasOlder }: Pick<RecallFor, 'reader' | 'text' | 'hasOlder'>): boolean {
    const { rule, store } = this.#parts;
    return rule.automatic && text.trim() !== '' && (hasOlder || store.facts.any(reader.agent));
  }

  /** What was found; undefined: nothing, or not in time. Never rejects: a run goes on without. */
  async for(message: RecallFor): Promise<Recalled | undefined> {
    const { clock, rule, search } = this.#parts;
    const { beforeSeq, reader, signal, text } = message;
    const refused = this.#underWay >= RECALLS_MAX ? 'full' : clock.elapsed() < this.#notBefore ? 'paused' : undefined;
    if (refused !== undefined) {
      this.#miss(refused);
      return undefined;
    }
    this.#underWay += 1;
    const late = new AbortController();
    const timer = clock.setTimeout(() => late.abort(), rule.timeoutMs);
    try {
      const query: MemoryQuery = { text, reader, unasked: true, limit: rule.entriesMax, filter: { beforeSeq } };
      const hits = await search(query, AbortSignal.any([signal, late.signal]));
      this.#pauseMs = PAUSE_MIN_MS;
      return recalledOf(
        hits.map(({ entry }) => entry).filter((entry) => !isInContext(entry, message)),
        rule,
      );
    } catch (error) {
      if (signal.aborted) return undefined;
      this.#pause();
      this.#miss(late.signal.aborted ? 'late' : 'failed', error);
      return undefined;
    } finally {
      clock.clearTimeout(timer);
      this.#underWay -= 1;
    }
  }

  /** Those that were under way with the one that failed make it no longer. */
  #pause(): void {
    const now = this.#parts.clock.elapsed();
    if (now < this.#notBefore) return;
    this.#notBefore = now + this.#pauseMs;
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MAX_MS);
  }

  #miss(why: keyof ReturnType<typeof nothingMissed>, error?: unknown): void {
    const { clock, log } = this.#parts;
    this.#missed[why] += 1;
    if (clock.elapsed() - this.#toldAt < TOLD_MS) return;
    this.#toldAt = clock.elapsed();
    log.warn({ ...this.#missed, error }, 'messages were answered without what is remembered');
    this.#missed = nothingMissed();
  }
}

function nothingMissed() {
  return { late: 0, failed: 0, full: 0, paused: 0 };
}

/** A fact that was saved in a turn the model is sent: it stands in the call that has saved it. */
function isInContext({ kind, message, session }: MemoryEntry, { messages, reader }: RecallFor): boolean {
  return kind === 'fact' && session === reader.session && messages.has(message);
}

/** As many of the best as the tokens allow. */
function recalledOf(
  entries: readonly MemoryEntry[],
  { entriesMax, tokensMax }: MemoryConfig['recall'],
): Recalled | undefined {
  const lines: string[] = [];
  const kept: MemoryEntry[] = [];
  let room = tokensMax * TOKEN_LENGTH - OPENING.length - CLOSING.length;
  for (const entry of entries.slice(0, entriesMax)) {
    const line = lineOf(entry);
    if (line.length >= room) continue; // a shorter one may follow
    room -= line.length + 1;
    lines.push(line);
    kept.push(entry);
  }
  if (kept.length === 0) return undefined;
  return { text: [OPENING, ...lines, CLOSING].join('\n'), entries: kept };
}

/** When and where it is from, and under which id it is known. */
function lineOf({ id, kind, sender, text, timestamp }: MemoryEntry): string {
  const when = new Date(timestamp).toISOString().slice(0, 16).replace('T', ' ');
  const words = text.replace(/\s+/g, ' ').trim();
  const cut = words.length > LINE_LENGTH_MAX ? `${words.slice(0, LINE_LENGTH_MAX)} […]` : words;
  const what = kind === 'fact' ? `a fact, saved by ${sender}` : kind === 'summary' ? 'a summary' : `said by ${sender}`;
  return `- ${when}, ${what} (${id}): ${cut}`;
}
