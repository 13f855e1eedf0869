import { DhaavakError } from '../../src/protocol/errors.ts';
import type { Session } from '../../src/protocol/messages.ts';
import type { Write } from '../../src/storage/journal.ts';
import type { NewSession, SessionAnswers, SessionChanges } from './control.ts';
import { deleteSession } from './deletion.ts';
import type { SessionDependencies } from './dependencies.ts';
import type { EventStream } from './event-stream.ts';
import type { Kin } from './kin.ts';
import { noSuchSession, type SessionRecord } from './record.ts';
import type { Transcript } from './transcript.ts';

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

  constructor(parts: AdminParts) {
    this.#parts = parts;
  }

  /** While it is so nothing is accepted, and what was accepted before does not run. */
  get deleting(): boolean {
    return this.#deletion !== undefined;
  }

  /** `also` is written with the session, where that is not there yet. */
  async create(fields: NewSession, also?: Write): Promise<SessionAnswers['create']> {
    const { record, shared, events } = this.#parts;
    await this.#deletion?.catch(() => {}); // told to who asked for it
    // A deletion that failed half-way comes first: its rest must not become the new session's.
    if (record.session === undefined && shared.store.deletions.doesExist(events.session)) await this.delete();
    return record.create(fields, this.#parts.now(), also);
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
      transcript.write(batch, marker);
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

  /** Deletes a session that was not active since `before`, in milliseconds since the epoch, and has no work. */
  async expire(before: number): Promise<undefined> {
    const { session } = this.#parts.record;
    if (session !== undefined && session.lastActive < before && !this.#parts.work.working()) await this.delete();
    return undefined;
  }

  async #remove(session: Session | undefined): Promise<void> {
    const { events, kin, record, shared, transcript, work } = this.#parts;
    record.session = undefined;
    try {
      await work.stop();
      const related = kin.ofDeletion();
      await deleteSession(shared.store, events.session, related.write);
      related.announce();
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
