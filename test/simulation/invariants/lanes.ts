import type { Report } from './report.ts';

/** A turn as its lane sees it. */
interface TurnInLane {
  message: string;
  /** The number of its message in the transcript: the order in which messages were accepted. */
  seq: number;
  joined: readonly { message: string }[];
}

/** A lane in one life of the process. */
class Lane {
  running: TurnInLane | undefined;
  /** Subscribers were told that it runs. */
  told = false;
  readonly begun = new Set<string>();
  /** Of those that have begun the one that did last. */
  newest: TurnInLane | undefined;
}

/** In a session one turn runs at a time, and turns begin in the order in which their messages were accepted. */
export class Lanes {
  readonly #report: Report;
  readonly #lanes = new Map<string, Lane>();

  constructor(report: Report) {
    this.#report = report;
  }

  began(session: string, turn: TurnInLane): void {
    const lane = this.#lane(session);
    const { running, newest } = lane;
    if (running !== undefined) this.#report(`${turn.message} begins in ${session} while ${running.message} runs`);
    lane.running = turn;
    lane.told = false;
    if (lane.begun.has(turn.message)) return; // another attempt
    lane.begun.add(turn.message);
    if (newest !== undefined && newest.seq > turn.seq) {
      this.#report(`${turn.message}, number ${turn.seq}, begins after ${newest.message}, number ${newest.seq}`);
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
    const lane = this.#lane(session);
    if (lane.running === undefined) this.#report(`${session} tells of a run of ${message}, and none goes on`);
    lane.told = true;
  }

  /** The session is deleted: its transcript counts from the beginning again. */
  deleted(session: string): void {
    this.#lane(session).newest = undefined;
  }

  /** The process ended. Returns the messages whose runs had begun. */
  cut(): string[] {
    const cut = [...this.#lanes.values()].flatMap(({ running, told }) => (running && told ? running.message : []));
    this.#lanes.clear();
    return cut;
  }

  #lane(session: string): Lane {
    const lane = this.#lanes.get(session) ?? new Lane();
    this.#lanes.set(session, lane);
    return lane;
  }
}
