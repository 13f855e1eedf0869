import { DhaavakError } from '../../src/protocol/errors.ts';
import type { Session } from '../../src/protocol/messages.ts';
import type { Write } from '../../src/storage/journal.ts';
import { AHEAD_MS } from './clean-up.ts';
import type { NewSession, SessionAnswers, SessionChanges, SessionControl } from './control.ts';
import { deleteSession } from './deletion.ts';
import type { SessionDependencies } from './dependencies.ts';
import type { EventStream } from './event-stream.ts';
import type { Kin } from './kin.ts';
import { noSuchSession, type SessionRecord } from './record.ts';
import type { Transcript } from './transcript.ts';
import { TurnRemoval } from './turn-removal.ts';

/** What goes on in a session, as those see it who have to end it. */
export interface SessionWork {
  /** Whether anything runs or waits. */
  working(): boolean;
  /** Cancels what runs and waits. */
  cancelAll(): void;
  /** Cancels all there is to do; resolves when nothing runs, waits or is being accepted. To be called when nothing new is. */
  stop(): Promise<void>;
}

export interface AdminParts {
  record: SessionRecord;
  events: EventStream;
  transcript: Transcript;
  shared: SessionDependencies;
  work: SessionWork;
  kin: Kin;
  now(): number;
}

/** What may be done to a session besides talking in it. Everything may throw `not_found` and `storage_failed`. */
export class SessionAdmin {
  readonly #parts: AdminParts;
  #deletion: Promise<void> | undefined;
  readonly #removals = new Set<TurnRemoval>();

  constructor(parts: AdminParts) {
    this.#parts = parts;
  }

  /** While it is so nothing is accepted, and what was accepted before does not run. */
  get deleting(): boolean {
    return this.#deletion !== undefined;
  }

  /** `also` is written with the session, where that is not there yet. */
  async create(fields: NewSession, also?: Write): Promise<SessionAnswers['create']> {
    const { record } = this.#parts;
    for (let rest = this.leftOver(); rest !== undefined; rest = this.leftOver()) await rest;
    return record.create(fields, this.#parts.now(), also);
  }

  /**
   * What has to end before the session can be made: a deletion that is going on, or one that was cut short, whose rest must
   * not become the new session's. To be asked again when it resolves; undefined: nothing. Rejects when that cannot be removed.
   */
  leftOver(): Promise<unknown> | undefined {
    if (this.#deletion !== undefined) return this.#deletion.catch(() => {}); // told to who asked for it
    const { record, shared, events } = this.#parts;
    if (record.session !== undefined || !shared.store.deletions.doesExist(events.session)) return undefined;
    this.#deletion = this.#remove(undefined);
    return this.#deletion;
  }

  async update(changes: SessionChanges): Promise<SessionAnswers['update']> {
    const session = await this.#parts.record.update(changes);
    this.#parts.events.publish('session.update', { state: session });
    return { session };
  }

  /** Cancels what there is to do and begins the context anew; the transcript stays. */
  async reset(): Promise<SessionAnswers['reset']> {
    const { events, kin, record, shared, transcript, work } = this.#parts;
    const session = record.existing();
    work.cancelAll();
    session.lastActive = this.#parts.now();
    const marker = transcript.reset(shared.newId(), session.lastActive);
    const children = kin.ofReset();
    await record.write((batch) => {
      transcript.writeReset(batch, marker);
      children.write(batch);
    });
    children.announce();
    events.publish('session.update', { state: session });
    return { session };
  }

  /** Cancels what there is to do, waits for its end, and removes the session. Throws for a main one. */
  async delete(): Promise<SessionAnswers['delete']> {
    const { events, record, shared } = this.#parts;
    const { session } = record;
    if (session?.type === 'main') {
      throw new DhaavakError('invalid_request', 'a main session is always there: reset it', { param: 'data.session' });
    }
    // Without a session: its deletion was cut short.
    if (session === undefined && !this.deleting && !shared.store.deletions.doesExist(events.session)) {
      throw noSuchSession(events.session);
    }
    this.#deletion ??= this.#remove(session);
    await this.#deletion;
    return { session: events.session };
  }

  /**
   * Deletes a session that has no work and was last active at `lastActive`, as the clean-up has found. Where that is in the
   * future the machine's clock was wrong then: it is active now instead, so that its time comes.
   */
  async expire(lastActive: number): Promise<undefined> {
    const { record, work } = this.#parts;
    const { session } = record;
    if (session === undefined || session.lastActive !== lastActive || work.working()) return undefined;
    if (lastActive <= this.#parts.now() + AHEAD_MS) await this.delete();
    else {
      session.lastActive = this.#parts.now();
      await record.write();
    }
    return undefined;
  }

  /**
   * Removes turns that have ended and are to go, in steps beside whatever runs: none of them is of a run that goes on. It
   * ends early when the session is deleted.
   */
  async prune({ turns, alive, removed }: SessionControl & { type: 'prune' }): Promise<undefined> {
    const { events, record, shared, transcript } = this.#parts;
    const removal = await TurnRemoval.of(shared.store, events.session, () => this.#parts.now(), alive);
    const commit = async () => {
      for (const turn of await removal.commit()) removed(turn);
      transcript.readAgain();
      shared.memory?.news.session(events.session);
    };
    const mayGoOn = () => alive() && !this.deleting && record.session !== undefined;
    this.#removals.add(removal);
    try {
      for await (const turn of turns) {
        if (!mayGoOn()) return undefined;
        if (removal.add(turn)) await commit();
      }
      if (mayGoOn()) await commit();
    } finally {
      this.#removals.delete(removal);
    }
    return undefined;
  }

  /** Whether the entry is being removed, so that nothing must be written to it any more. */
  isGoing(seq: number | undefined): boolean {
    if (seq === undefined) return false;
    return this.deleting || [...this.#removals].some(({ going }) => going.has(seq));
  }

  async #remove(session: Session | undefined): Promise<void> {
    const { events, kin, record, shared, transcript, work } = this.#parts;
    record.session = undefined;
    try {
      await work.stop();
      await shared.tools.endSession(events.session).catch((error: unknown) => {
        const { session } = events;
        shared.log.error({ error, session }, 'what tools have kept for a deleted session was not removed');
      });
      const related = kin.ofDeletion();
      await deleteSession(shared.store, events.session, related.write, () => this.#parts.now());
      related.announce();
      shared.memory?.news.session(events.session);
      record.kept = false;
      transcript.forget();
      if (session !== undefined) events.publish('session.update', { state: session, deleted: true });
      events.forget();
    } catch (error) {
      record.readAgain();
      throw error;
    } finally {
      this.#deletion = undefined;
    }
  }
}
