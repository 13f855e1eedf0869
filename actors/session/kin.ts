/** What the end of a turn means for the sessions above and below: a sub-agent reports, and what a cancelled run has spawned goes. */
import type { DhaavakError } from '../../src/protocol/errors.ts';
import type { RunStatus } from '../../src/protocol/messages.ts';
import type { Batch } from '../../src/storage/journal.ts';
import type { SpawnRecord } from '../../src/storage/spawns.ts';
import type { Store } from '../../src/storage/store.ts';
import type { Turn } from './turn.ts';
import type { TurnWaiters } from './turn-waiters.ts';

/** Longest answer of a sub-agent that its parent is told, in UTF-16 code units; the transcript has all of it. */
export const REPORT_LENGTH_MAX = 16_000;

/** How a shard reaches the sessions that a session is related to. */
export interface KinReach {
  waiters: TurnWaiters;
  /** The report of `child` is on the disk: its parent is to be told. */
  report(parent: string, child: string): void;
  /** `child` is marked to go. */
  end(child: string, how: 'cancel' | 'delete'): void;
  /** The session is deleted, and its schedules with it. */
  forgetSchedules(session: string): void;
}

/** How a turn ended. */
interface TurnEnd {
  status: RunStatus;
  text?: string;
  error?: Pick<DhaavakError, 'code' | 'message'> | undefined;
}

/** What is written with an end, and done when that is on the disk. */
export interface KinChanges {
  write(batch: Batch): void;
  announce(): void;
}

/** The relations of one session. */
export class Kin {
  readonly #session: string;
  readonly #store: Store;
  readonly #reach: KinReach;

  constructor(session: string, store: Store, reach: KinReach) {
    this.#session = session;
    this.#store = store;
    this.#reach = reach;
  }

  /** Whether the session has been told to go by the one that has spawned it. */
  get isCalledOff(): boolean {
    const parent = this.#parent();
    return parent !== undefined && this.#store.spawns.get(parent, this.#session)?.end !== undefined;
  }

  /** The end of turns that one run has answered, or none. */
  ofEnd(turns: readonly Turn[], end: TurnEnd): KinChanges {
    const { waiters } = this.#reach;
    const changes = [
      ...(end.status === 'cancelled' ? this.#endedWith(turns) : []),
      ...turns.filter(({ source }) => source?.type === 'task').map((turn) => this.#reportOf(turn, end)),
    ].filter((change) => change !== undefined);
    return {
      write(batch) {
        for (const change of changes) change.write(batch);
      },
      announce() {
        for (const { message } of turns) waiters.ended(message);
        for (const change of changes) change.announce();
      },
    };
  }

  /** All that it has spawned and that is at work is to go. */
  ofReset(): KinChanges {
    const working = this.#store.spawns.working(this.#session);
    const changes = working.map(({ child, record }) => this.#called(child, record, 'cancel'));
    return {
      write(batch) {
        for (const change of changes) change.write(batch);
      },
      announce() {
        for (const change of changes) change.announce();
      },
    };
  }

  /** The session goes: so does all it has spawned, and whoever has spawned it forgets it. */
  ofDeletion(): KinChanges {
    const { spawns } = this.#store;
    const children = spawns.children(this.#session);
    const working = spawns.working(this.#session);
    const parent = this.#parent();
    return {
      write: (batch) => {
        for (const { child, record } of working) spawns.put(batch, this.#session, child, { ...record, end: 'delete' });
        for (const { child } of children) spawns.forget(batch, this.#session, child);
        if (parent === undefined) return;
        spawns.forget(batch, parent, this.#session);
        // A report that has not been heard is told all the same.
        if (spawns.get(parent, this.#session)?.report === undefined) spawns.remove(batch, parent, this.#session);
      },
      announce: () => {
        for (const { child } of children) this.#reach.end(child, 'delete');
        this.#reach.forgetSchedules(this.#session);
      },
    };
  }

  #parent(): string | undefined {
    return isSubAgent(this.#session) ? this.#store.sessions.get(this.#session)?.spawned?.by : undefined;
  }

  /** What the runs of these turns have spawned goes with them. */
  #endedWith(turns: readonly Turn[]): KinChanges[] {
    const ended = new Set(turns.map(({ message }) => message));
    return this.#store.spawns
      .working(this.#session)
      .filter(({ record }) => ended.has(record.turn))
      .map(({ child, record }) => this.#called(child, record, 'cancel'));
  }

  #called(child: string, record: SpawnRecord, end: 'cancel' | 'delete'): KinChanges {
    // One that has ended already, and whose report is on its way, has nothing more to cancel: nobody wants to hear of it.
    const isOver = record.report !== undefined;
    return {
      write: (batch) => {
        if (isOver) this.#store.spawns.remove(batch, this.#session, child);
        else this.#store.spawns.put(batch, this.#session, child, { ...record, end });
      },
      announce: () => {
        if (!isOver) this.#reach.end(child, end);
      },
    };
  }

  /** How a sub-agent's task has ended: given to whoever waits for that, and else written down to be told its parent. */
  #reportOf({ message }: Turn, { status, text = '', error }: TurnEnd): KinChanges | undefined {
    const { spawns } = this.#store;
    const parent = this.#parent();
    const record = parent === undefined ? undefined : spawns.get(parent, this.#session);
    if (parent === undefined || record === undefined || record.task !== message) return undefined;
    if (record.end !== undefined || this.#reach.waiters.claim(message)) {
      return { write: (batch) => spawns.remove(batch, parent, this.#session), announce() {} };
    }
    const reason = error === undefined ? {} : { reason: `${error.code}: ${error.message}` };
    const report = { status, text: text.slice(0, REPORT_LENGTH_MAX), ...reason };
    return {
      write: (batch) => spawns.put(batch, parent, this.#session, { ...record, report }),
      announce: () => this.#reach.report(parent, this.#session),
    };
  }
}

/** Whether the key is that of a sub-agent's session. */
export function isSubAgent(session: string): boolean {
  return session.includes(':sub:');
}
