import type { Report } from './report.ts';

/** A turn as its lane sees it. */
interface TurnInLane {
  message: string;
  /** The number of its message in the transcript: the order in which messages were accepted. */
  seq: number;
  joined: readonly { message: string }[];
}

interface Lane {
  running: TurnInLane | undefined;
  /** What has begun in this life of the process, and the highest `seq` of it. */
  begun: Set<string>;
  newest: TurnInLane | undefined;
}

/** In a session one turn runs at a time, and turns begin in the order in which their messages were accepted. */
export class Lanes {
  readonly #report: Report;
  #lanes = new Map<string, Lane>();

  constructor(report: Report) {
    this.#report = report;
  }

  /** Turns that run, in all sessions. */
  get running(): number {
    return [...this.#lanes.values()].filter(({ running }) => running !== undefined).length;
  }

  began(session: string, turn: TurnInLane): void {
    const lane = this.#lane(session);
    if (lane.running !== undefined) {
      this.#report(`two turns of ${session} run at once: ${lane.running.message} and ${turn.message}`);
    }
    lane.running = turn;
    if (lane.begun.has(turn.message)) return; // another attempt
    lane.begun.add(turn.message);
    if (lane.newest !== undefined && lane.newest.seq > turn.seq) {
      this.#report(
        `${turn.message}, number ${turn.seq}, begins after ${lane.newest.message}, number ${lane.newest.seq}`,
      );
    }
    lane.newest = turn;
  }

  ended(session: string, turn: TurnInLane): void {
    const lane = this.#lane(session);
    if (lane.running === turn) lane.running = undefined;
  }

  /** Whether a turn runs that answers the message; `own`: that began with it. */
  isRunning(message: string, own = false): boolean {
    for (const { running } of this.#lanes.values()) {
      if (running === undefined) continue;
      if ([running, ...(own ? [] : running.joined)].some((turn) => turn.message === message)) return true;
    }
    return false;
  }

  /** Subscribers are told that a run begins. */
  told(session: string, message: string): void {
    if (this.#lane(session).running === undefined)
      this.#report(`${session} tells of a run of ${message}, and none goes on`);
  }

  /** The session is deleted: its transcript counts from the beginning again. */
  deleted(session: string): void {
    this.#lane(session).newest = undefined;
  }

  /** The process ended. */
  cut(): void {
    this.#lanes = new Map();
  }

  #lane(session: string): Lane {
    let lane = this.#lanes.get(session);
    if (lane === undefined)
      this.#lanes.set(session, (lane = { running: undefined, begun: new Set(), newest: undefined }));
    return lane;
  }
}
