/**
 * Which turns of a session are to go by a rule: the one look that a dry run, a request and the rounds of every shard share.
 * It reads and removes nothing.
 */
import { setImmediate } from 'node:timers';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import type { SizedEntry, Store } from '../../src/storage/store.ts';

/** What is kept of a session at most; undefined: no limit. Whole turns go, the oldest first. */
export interface RetentionRule {
  /** Since a turn's last entry, in days. */
  days?: number | undefined;
  /** The newest turn stays all the same. */
  entriesMax?: number | undefined;
  /** Of entries as they stand in the store, and of images; the newest turn stays all the same. */
  bytesMax?: number | undefined;
}

/** A message of a user, those that were answered with it, and all they have led to; or a reset, or a summary. */
export interface OldTurn {
  /** Ids of the users' messages. */
  readonly messages: string[];
  /** Of its entries, damaged ones included. */
  readonly seqs: number[];
  bytes: number;
  images: number;
  /** Times of its first and last entry, in milliseconds since the epoch; 0: they are damaged. */
  oldest: number;
  newest: number;
}

/** What is known of a turn during a look. */
interface SeenTurn extends OldTurn {
  /** It is part of an earlier one, which answers it too. */
  merged: boolean;
  /** It has not ended. */
  open: boolean;
  /** What belongs to it begins beyond the turns that this look follows. */
  cut: boolean;
}

export interface LookOptions {
  /** Milliseconds that have passed since a time of the wall clock; 0 for what is still to come. */
  since(at: number): number;
  /** False: the store is not to be read any more. */
  alive(): boolean;
}

const DAY_MS = 24 * 3_600_000;
/** Entries read at once, and for how long, in milliseconds, before others get their turn. */
const SLICE_MAX = 200;
const SLICE_MS = 2;
/** Turns followed in one look: more than can wait in one session, so that the first of them are whole. */
const TURNS_MAX = 20_000;

/**
 * The turns of a session that are to go, oldest first. It reads in slices of a few milliseconds, as it is asked for more.
 * Only turns that had ended when it began, each whole, and none behind one that stays. What is done meanwhile to those
 * it has told of does not disturb it.
 */
export async function* turnsToGo(
  store: Store,
  session: string,
  rule: RetentionRule,
  options: LookOptions,
): AsyncGenerator<OldTurn, void> {
  if (!options.alive()) return;
  const look = new Look(store, session, options);
  if (look.isEmpty || !look.mayGo(rule)) return;
  let held: SeenTurn[] = [];
  for (let from = 0; ; ) {
    const { turns, next } = await look.follow(from);
    for (const [index, turn] of turns.entries()) {
      if (turn.cut && index > 0) break; // the next look begins with it
      if (turn.open || !options.alive()) return;
      const isLast = next === undefined && index === turns.length - 1;
      const isOld = look.isOld(turn, rule);
      const isOver = !isLast && look.isOver(rule);
      // A time nobody knows, or of a clock that was wrong: it is older than what comes behind it.
      if (!isOld && !isOver && !look.isUnknown(turn)) return;
      held.push(turn);
      if (!isOld && !isOver) continue;
      for (const one of held) {
        look.goes(one);
        yield one;
      }
      held = [];
    }
    const cut = turns.findIndex((turn, index) => turn.cut && index > 0);
    const begin = cut < 0 ? next : turns[cut]?.seqs[0];
    if (begin === undefined || held.length > TURNS_MAX) return;
    look.forget(begin);
    from = begin;
  }
}

/** One look at a session, as it was when it began. */
class Look {
  readonly #store: Store;
  readonly #session: string;
  readonly #options: LookOptions;
  readonly #first: SizedEntry | undefined;
  readonly #lastSeq: number;
  /** Messages, and numbers of entries, whose turns have not ended. */
  readonly #open = new Set<string | number>();
  /** Turns that were told of, and whose entries may be met again: by message, the last number. */
  readonly #gone = new Map<string, number>();
  /** All there is, less what goes; counted by the first pass. */
  #entries = 0;
  #bytes = 0;
  #isCounted = false;

  constructor(store: Store, session: string, options: LookOptions) {
    this.#store = store;
    this.#session = session;
    this.#options = options;
    // In one turn of the event loop, and so of one state of the store: who is not open there has ended, and is all there.
    [this.#first] = store.sizedEntries(session, 0, 1);
    this.#lastSeq = store.lastSeq(session);
    for (const [seq, message] of store.openTurns(session)) this.#open.add(seq).add(message);
  }

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** Whether it is worth reading everything: a look at both ends tells, but for the size. */
  mayGo({ days, entriesMax = Number.POSITIVE_INFINITY, bytesMax }: RetentionRule): boolean {
    const { seq, entry } = this.#first as SizedEntry;
    const isOld = days !== undefined && (entry === undefined || this.#isOldAt(entry.timestamp, days));
    return isOld || bytesMax !== undefined || this.#lastSeq - seq + 1 > entriesMax;
  }

  isOld({ newest }: OldTurn, { days }: RetentionRule): boolean {
    return days !== undefined && newest > 0 && this.#options.since(newest) > days * DAY_MS;
  }

  /** The same, or in a future that will never be. */
  #isOldAt(at: number, days: number): boolean {
    const passed = this.#options.since(at);
    return passed > days * DAY_MS || passed === 0;
  }

  isUnknown({ newest }: OldTurn): boolean {
    return newest === 0 || this.#options.since(newest) === 0;
  }

  isOver({ entriesMax = Number.POSITIVE_INFINITY, bytesMax = Number.POSITIVE_INFINITY }: RetentionRule): boolean {
    return this.#entries > entriesMax || this.#bytes > bytesMax;
  }

  goes({ bytes, messages, seqs }: OldTurn): void {
    this.#entries -= seqs.length;
    this.#bytes -= bytes;
    const last = seqs.reduce((most, seq) => Math.max(most, seq), 0);
    for (const message of messages) this.#gone.set(message, last);
  }

  /** What stands before `from` is not met again. */
  forget(from: number): void {
    for (const [message, last] of this.#gone) if (last < from) this.#gone.delete(message);
  }

  /** The turns that begin at `from` or behind it, as many as one look follows; `next`: where the first other one begins. */
  async follow(from: number): Promise<{ turns: SeenTurn[]; next: number | undefined }> {
    const followed = new Followed(this.#open, this.#gone);
    for await (const sized of this.#read(from)) {
      if (!this.#isCounted) this.#count(sized);
      followed.take(sized);
    }
    this.#isCounted = true;
    return { turns: followed.turns.filter(({ merged }) => !merged), next: followed.next };
  }

  #count({ bytes, entry }: SizedEntry): void {
    this.#entries += 1;
    this.#bytes += bytes + imageBytesOf(entry);
  }

  /** The entries from `from` on, in slices. */
  async *#read(from: number): AsyncGenerator<SizedEntry, void> {
    let after = from - 1;
    while (this.#options.alive()) {
      const until = performance.now() + SLICE_MS;
      const slice: SizedEntry[] = [];
      for (const sized of this.#store.sizedEntries(this.#session, after, SLICE_MAX)) {
        if (sized.seq > this.#lastSeq) break;
        slice.push(sized);
        if (performance.now() > until) break;
      }
      if (slice.length === 0) return;
      yield* slice;
      after = (slice.at(-1) as SizedEntry).seq;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** The first turns of what it is given, entry by entry. */
class Followed {
  readonly turns: SeenTurn[] = [];
  /** Where the first turn begins that is not followed. */
  next: number | undefined;
  readonly #byMessage = new Map<string, SeenTurn>();
  readonly #open: ReadonlySet<string | number>;
  readonly #gone: ReadonlyMap<string, number>;
  /** The turn of the entry before; undefined: one that is not followed. */
  #current: SeenTurn | undefined;

  constructor(open: ReadonlySet<string | number>, gone: ReadonlyMap<string, number>) {
    this.#open = open;
    this.#gone = gone;
  }

  take(sized: SizedEntry): void {
    const { seq, entry } = sized;
    // What is damaged goes with what stands before it.
    if (entry !== undefined) this.#current = this.#turnOf(entry, seq);
    else if (this.turns.length + this.#gone.size === 0) this.#current = this.#begin('');
    if (this.#current !== undefined) add(this.#current, sized, this.#open.has(seq));
  }

  #turnOf(entry: HistoryEntry, seq: number): SeenTurn | undefined {
    const { message } = entry;
    const known = this.#byMessage.get(message);
    const own = known ?? (this.#gone.has(message) ? undefined : this.#begin(message));
    if (own === undefined && !this.#gone.has(message)) this.next ??= seq;
    return entry.answers === undefined ? own : joined(entry.answers, own, this.#byMessage);
  }

  #begin(message: string): SeenTurn | undefined {
    if (this.turns.length === TURNS_MAX) return undefined;
    const turn: SeenTurn = {
      messages: message === '' ? [] : [message],
      seqs: [],
      bytes: 0,
      images: 0,
      oldest: 0,
      newest: 0,
      merged: false,
      open: this.#open.has(message),
      cut: false,
    };
    this.turns.push(turn);
    this.#byMessage.set(message, turn);
    return turn;
  }
}

function add(turn: SeenTurn, { seq, bytes, entry }: SizedEntry, isOpen: boolean): void {
  turn.seqs.push(seq);
  turn.bytes += bytes + imageBytesOf(entry);
  if (isOpen) turn.open = true;
  if (entry === undefined) return;
  turn.images += entry.attachments?.length ?? 0;
  turn.oldest = turn.oldest === 0 ? entry.timestamp : Math.min(turn.oldest, entry.timestamp);
  turn.newest = Math.max(turn.newest, entry.timestamp);
}

/** The turn of an entry that answers other messages too: they are one turn, the earliest, from here on. */
function joined(
  answers: readonly string[],
  own: SeenTurn | undefined,
  byMessage: Map<string, SeenTurn>,
): SeenTurn | undefined {
  const others = answers.map((message) => byMessage.get(message));
  const all = [...new Set([own, ...others])].filter((turn) => turn !== undefined);
  const [first, ...rest] = all.sort((a, b) => (a.seqs[0] ?? Infinity) - (b.seqs[0] ?? Infinity));
  if (first === undefined) return undefined;
  if (own === undefined) first.cut = true;
  for (const turn of rest) {
    turn.merged = true;
    first.messages.push(...turn.messages);
    first.seqs.push(...turn.seqs);
    first.bytes += turn.bytes;
    first.images += turn.images;
    first.open ||= turn.open;
    if (turn.oldest > 0) first.oldest = Math.min(first.oldest || turn.oldest, turn.oldest);
    first.newest = Math.max(first.newest, turn.newest);
    for (const message of turn.messages) byMessage.set(message, first);
  }
  return first;
}

function imageBytesOf(entry: HistoryEntry | undefined): number {
  return entry?.attachments?.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;
}
