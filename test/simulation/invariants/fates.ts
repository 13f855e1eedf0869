import type { HistoryEntry } from '../../../src/protocol/messages.ts';
import type { Tables } from '../disk.ts';
import { decode } from '../lmdb.ts';

/**
 * How a message ended: with an answer of its own, with the run it was part of (that answered others too, or did not end
 * well), by somebody's request, or given up.
 */
export type End = 'answered' | 'ended' | 'withdrawn' | 'dead';

/** What is known of a message that was accepted. */
export interface Fate {
  readonly message: string;
  readonly session: string;
  readonly seq: number;
  readonly token: string;
  /** The step of the world in which it came first. */
  readonly since: number;
  acked: boolean;
  /** How often the process ended while its turn ran. */
  cuts: number;
  /** Subscribers were told that it has ended. */
  told: boolean;
  /** Undefined while it stands in the inbox. */
  end: End | undefined;
  /** Its session was deleted: nothing more is asked of it. */
  deleted: boolean;
  /** The step in which it was. */
  deletedAt: number;
}

/** What is known of all messages, as the disk has it at any moment; and of the resets between them. */
export class Fates {
  readonly #fates = new Map<string, Fate>();
  /** By session: the number of the entry that ended its context last. */
  readonly #resets = new Map<string, number>();

  /** Those of sessions that are there. */
  get live(): Fate[] {
    return [...this.#fates.values()].filter(({ deleted }) => !deleted);
  }

  of(message: string): Fate | undefined {
    return this.#fates.get(message);
  }

  /** All messages there have been with this token. */
  with(token: string): Fate[] {
    return [...this.#fates.values()].filter((fate) => fate.token === token);
  }

  /** A message is written. */
  add(fate: Pick<Fate, 'message' | 'session' | 'seq' | 'token' | 'since'>): void {
    const fresh = { acked: false, cuts: 0, told: false, end: undefined, deleted: false, deletedAt: 0 };
    this.#fates.set(fate.message, { ...fate, ...fresh });
  }

  /** A reset is written. */
  reset(session: string, seq: number): void {
    this.#resets.set(session, seq);
  }

  /** The number of the session's last reset; 0: there was none. */
  resetOf(session: string): number {
    return this.#resets.get(session) ?? 0;
  }

  /** The session is removed, in this step of the world. */
  remove(session: string, step: number): void {
    this.#resets.delete(session);
    for (const fate of this.#fates.values()) {
      if (fate.session !== session || fate.deleted) continue;
      fate.deleted = true;
      fate.deletedAt = step;
    }
  }

  /**
   * The disk may have less than it had: forgets what is not there any more, and takes back what did not come to pass.
   * Returns those that are gone, and those that had ended and have not.
   */
  readAgain(disk: Tables): { gone: Fate[]; undone: Fate[] } {
    this.#resets.clear();
    for (const { key, value } of disk.of('entries').rows) {
      if ((decode(value) as HistoryEntry).role === 'reset') this.#resets.set(...(key as [string, number]));
    }
    const changes = { gone: [] as Fate[], undone: [] as Fate[] };
    for (const fate of this.#fates.values()) {
      const entry = disk.of('entries').get([fate.session, fate.seq]);
      const isWritten = entry !== undefined && (decode(entry) as HistoryEntry).message === fate.message;
      if (fate.deleted && (!isWritten || disk.of('sessions').get(fate.session) === undefined)) continue;
      fate.deleted = false;
      if (!isWritten) {
        this.#fates.delete(fate.message);
        changes.gone.push(fate);
      } else if (fate.end !== undefined && disk.of('inbox').get([fate.session, fate.seq]) !== undefined) {
        fate.end = undefined;
        changes.undone.push(fate);
      }
    }
    return changes;
  }
}
