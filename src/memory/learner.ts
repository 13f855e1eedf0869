/**
 * Keeps a backend true to the journal. What is in it is compared with the transcripts when it starts; then shards tell which have
 * grown. One thing at a time, in slices of a few milliseconds, held to a share of a core.
 */
import type { Logger } from 'pino';
import type { HistoryEntry, Session } from '../protocol/messages.ts';
import type { MemorySource } from '../storage/memory-source.ts';
import type { Unlearning } from '../storage/unlearn.ts';
import type { MemoryBackend } from './backend.ts';
import type { MemoryEntry } from './entry.ts';
import type { Pace } from './pace.ts';
import { rememberedEntry, rememberedFact } from './remembered.ts';
import { isFromOutside } from './trust.ts';

/** Entries given to the backend at once: between these, as many as take it about so long, in milliseconds. */
const BATCH_MIN = 2;
const BATCH_MAX = 128;
const BATCH_MS = 4;
/** And no more text than this, in UTF-16 code units, unless one entry has more. */
const BATCH_LENGTH_MAX = 32_768;
/** Sessions compared, facts compared and notes of deletions applied at once. */
const COMPARED_MAX = 100;
const FACTS_MAX = 100;
const NOTES_MAX = 100;
/** Waits after a failure, in milliseconds: doubling up to the second. */
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;

export interface LearnerOptions {
  source: MemorySource;
  backend: MemoryBackend;
  agents: readonly string[];
  pace: Pace;
  log: Logger;
}

/** What was told since the last news: sessions that have changed, agents whose facts have; `all`: compare everything. */
export interface News {
  sessions: readonly string[];
  agents: readonly string[];
  all: boolean;
}

/** What is known of one agent's memory. */
interface Progress {
  /** How far each transcript was taken in; undefined: not asked yet. */
  positions: Map<string, number> | undefined;
  /** All transcripts are to be compared with the positions. */
  compare: boolean;
  /** Sessions that may have entries to take in, and how many by their numbers. */
  behind: Map<string, number>;
  facts: boolean;
}

export class Learner {
  readonly #options: LearnerOptions;
  readonly #agents = new Map<string, Progress>();
  /** Agents whose memory is to be thrown away first. */
  readonly #rebuilds = new Set<string>();
  /** There may be notes of what was deleted. */
  #notes = true;
  #batch = BATCH_MIN;
  #failures = 0;
  #stopped = false;
  #wake: (() => void) | undefined;
  #caughtUp = Promise.withResolvers<void>();
  #isIdle = false;
  readonly #done: Promise<void>;

  /** Begins at once. */
  constructor(options: LearnerOptions) {
    this.#options = options;
    for (const agent of options.agents) this.#agents.set(agent, unknown());
    this.#done = this.#run();
  }

  /** Everything that was told and found is taken in. */
  get isIdle(): boolean {
    return this.#isIdle;
  }

  tell({ sessions, agents, all }: News): void {
    for (const session of sessions) {
      if (isRemembered(session)) this.#agents.get(session.split(':')[1] ?? '')?.behind.set(session, 1);
    }
    for (const agent of agents) {
      const progress = this.#agents.get(agent);
      if (progress !== undefined) progress.facts = true;
    }
    if (all) for (const progress of this.#agents.values()) Object.assign(progress, { compare: true, facts: true });
    this.#begin();
  }

  /** The backend has lost what it had of an agent: it is given everything again. */
  relearn(agent: string): void {
    if (!this.#agents.has(agent)) return;
    this.#agents.set(agent, unknown());
    this.#begin();
  }

  /** Throws away what was made for an agent and makes it anew, which begins after the slice at hand. */
  rebuild(agent: string): void {
    this.#rebuilds.add(agent);
    this.#begin();
  }

  /** Entries that are yet to be taken in, nearly. */
  pending(agent: string): number {
    let count = 0;
    for (const behind of this.#agents.get(agent)?.behind.values() ?? []) count += behind;
    return count;
  }

  /** Resolves when everything that was told and found by then is taken in. */
  caughtUp(): Promise<void> {
    return this.#isIdle ? Promise.resolve() : this.#caughtUp.promise;
  }

  /** Ends after the slice it is in. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    await this.#done;
  }

  #begin(): void {
    this.#notes = true;
    this.#isIdle = false;
    if (this.#failures === 0) this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let waitMs = 0;
      try {
        await this.#pass();
        this.#failures = 0;
        if (this.#hasWork()) continue;
      } catch (error) {
        if (this.#stopped) return;
        waitMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#failures);
        this.#failures += 1;
        this.#options.log.error({ error, waitMs }, 'the memory could not take something in: it is tried again');
      }
      if (waitMs === 0) {
        this.#isIdle = true;
        this.#caughtUp.resolve();
        this.#caughtUp = Promise.withResolvers();
      }
      await this.#sleep(waitMs);
    }
  }

  /** Until it is woken or, where `forMs` is not 0, so long. */
  async #sleep(forMs: number): Promise<void> {
    if (this.#stopped) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (forMs > 0) timer = setTimeout(resolve, forMs);
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }

  #hasWork(): boolean {
    if (this.#notes || this.#rebuilds.size > 0) return true;
    return [...this.#agents.values()].some(({ compare, behind, facts }) => compare || behind.size > 0 || facts);
  }

  /** One round over everything that is to be done. */
  async #pass(): Promise<void> {
    this.#options.source.refresh();
    for (const agent of this.#rebuilds) await this.#forgetAll(agent);
    if (this.#notes) await this.#applyNotes();
    for (const [agent, progress] of this.#agents) {
      if (this.#isCut(agent, progress)) continue;
      if (progress.compare) await this.#compare(agent, progress);
      if (progress.facts) await this.#learnFacts(agent, progress);
      for (const session of progress.behind.keys()) {
        if (this.#isCut(agent, progress)) break;
        await this.#learnSession(agent, progress, session);
      }
    }
  }

  /** Whether work on an agent is not to go on, or not with what was known of it. */
  #isCut(agent: string, progress: Progress): boolean {
    return this.#stopped || this.#rebuilds.has(agent) || this.#agents.get(agent) !== progress;
  }

  async #forgetAll(agent: string): Promise<void> {
    await this.#options.backend.forget(agent, { everything: true });
    this.#agents.set(agent, unknown());
    this.#rebuilds.delete(agent);
  }

  /** Forgets what was deleted. A note goes when that is done. */
  async #applyNotes(): Promise<void> {
    const { unlearn } = this.#options.source;
    this.#notes = false; // first: others may come meanwhile
    for (const agent of this.#agents.keys()) {
      const notes = unlearn.list(NOTES_MAX, agent);
      if (notes.length === 0) continue;
      for (const { record } of notes) await this.#unlearn(agent, record);
      await unlearn.forget(notes);
      this.#notes ||= notes.length === NOTES_MAX;
    }
  }

  async #unlearn(agent: string, note: Unlearning): Promise<void> {
    const { backend } = this.#options;
    if ('everything' in note) return this.#forgetAll(agent);
    if ('fact' in note) {
      await backend.forget(agent, { ids: [note.fact] });
      return;
    }
    const { session, upTo } = note;
    await backend.forget(agent, upTo === undefined ? { session } : { session, upTo });
    if (upTo !== undefined || !isRemembered(session)) return;
    // It may have been made again under the same key.
    const progress = this.#agents.get(agent);
    progress?.positions?.delete(session);
    progress?.behind.set(session, 1);
  }

  /** Finds the transcripts that have entries behind their positions, and what is taken in of sessions that are gone. */
  async #compare(agent: string, progress: Progress): Promise<void> {
    const { source, pace } = this.#options;
    const positions = await this.#positionsOf(agent, progress);
    const gone = new Set(positions.keys());
    for (let after = ''; !this.#isCut(agent, progress); ) {
      const startedAt = performance.now();
      const { keys, last } = source.sessionsOf(agent, after, COMPARED_MAX);
      for (const session of keys) {
        gone.delete(session);
        const behind = source.lastSeq(session) - (positions.get(session) ?? 0);
        if (behind !== 0) progress.behind.set(session, Math.max(1, behind));
      }
      await pace.rest(startedAt);
      if (last === undefined) {
        for (const session of gone) progress.behind.set(session, 1);
        progress.compare = false;
        return;
      }
      after = last;
    }
  }

  async #positionsOf(agent: string, progress: Progress): Promise<Map<string, number>> {
    progress.positions ??= new Map(await this.#options.backend.positions(agent));
    return progress.positions;
  }

  /** Takes in what is new in one transcript. */
  async #learnSession(agent: string, progress: Progress, session: string): Promise<void> {
    const { source, backend, pace } = this.#options;
    const positions = await this.#positionsOf(agent, progress);
    let position = positions.get(session) ?? 0;
    const last = source.lastSeq(session);
    if (last < position) {
      // It is shorter than what was taken in, and nobody has told why: a damaged store was salvaged.
      await backend.forget(agent, { session });
      positions.delete(session);
      position = 0;
    }
    const record = source.session(session);
    const taint = new TurnTaint(source, session);
    while (position < last && !this.#isCut(agent, progress)) {
      const startedAt = performance.now();
      const { entries, upTo } = source.read(session, position, this.#batch, BATCH_LENGTH_MAX);
      if (upTo === position) break;
      await backend.append(agent, session, remembered(record, entries, taint), upTo);
      if (this.#agents.get(agent) !== progress) {
        // The backend has lost all meanwhile, perhaps before it was given this, which is not to be taken for all of the session.
        await backend.forget(agent, { session });
        return;
      }
      position = upTo;
      positions.set(session, position);
      progress.behind.set(session, Math.max(1, last - position));
      this.#adapt(performance.now() - startedAt);
      await pace.rest(startedAt);
    }
    if (source.lastSeq(session) <= position) progress.behind.delete(session);
  }

  #adapt(tookMs: number): void {
    if (tookMs > BATCH_MS) this.#batch = Math.max(BATCH_MIN, Math.floor(this.#batch / 2));
    else if (tookMs < BATCH_MS / 2) this.#batch = Math.min(BATCH_MAX, this.#batch * 2);
  }

  /** Takes in facts that are new or worded anew. Those that were removed have notes. */
  async #learnFacts(agent: string, progress: Progress): Promise<void> {
    const { source, backend, pace } = this.#options;
    progress.facts = false; // first: they may change meanwhile
    for (let after = ''; !this.#isCut(agent, progress); ) {
      const startedAt = performance.now();
      const facts = source.facts.list(agent, after, FACTS_MAX);
      const known = await backend.load(
        agent,
        facts.map(({ id }) => id),
      );
      const byId = new Map(known.map((entry) => [entry.id, entry]));
      for (const { id, fact } of facts) {
        const entry = rememberedFact(agent, id, fact);
        const have = byId.get(id);
        if (have?.text !== entry.text || have.reach !== entry.reach) await backend.save(agent, entry);
      }
      await pace.rest(startedAt);
      if (facts.length < FACTS_MAX) return;
      after = facts.at(-1)?.id ?? after;
    }
    progress.facts = true;
  }
}

/** Sub-agents' sessions are not: what they say is for who spawned them, and told there. */
function isRemembered(session: string): boolean {
  return session.split(':')[2] !== 'sub';
}

function unknown(): Progress {
  return { positions: undefined, compare: true, behind: new Map(), facts: true };
}

function remembered(session: Session, entries: readonly HistoryEntry[], taint: TurnTaint): MemoryEntry[] {
  return entries.flatMap((entry) => rememberedEntry(session, entry, taint.before(entry)) ?? []);
}

/** Whether something came from outside in an entry's turn before it. Entries are to be asked about in order. */
class TurnTaint {
  readonly #source: MemorySource;
  readonly #session: string;
  #message: string | undefined;
  #tainted = false;

  constructor(source: MemorySource, session: string) {
    this.#source = source;
    this.#session = session;
  }

  before(entry: HistoryEntry): boolean {
    if (entry.message !== this.#message) {
      this.#tainted = [...this.#source.turnBefore(this.#session, entry.seq, entry.message)].some(isFromOutside);
      this.#message = entry.message;
    }
    const tainted = this.#tainted;
    this.#tainted ||= isFromOutside(entry);
    return tainted;
  }
}
