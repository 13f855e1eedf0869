import type { Report } from './report.ts';

/** Events of one epoch of a session, as they left the process. */
interface Epoch {
  epoch: string;
  /** From `seq` 1 on. */
  frames: Uint8Array[];
  /** In the order in which it was first heard of. */
  order: number;
}

/** What a client says it has seen when it subscribes. */
export interface Position {
  epoch: string;
  seq: number;
}

/** Events that come to less than this are kept to be sent again; the ring of a session is larger. */
const KEPT_BYTES = 16 * 1024;

/**
 * Events have no gaps: in an epoch `seq` counts one by one; who comes back gets exactly what was missed or is told that
 * it cannot be had; an epoch that was followed by another says nothing any more.
 */
export class Streams {
  readonly #report: Report;
  /** By session. */
  readonly #epochs = new Map<string, Map<string, Epoch>>();
  /** Sessions whose events need not be kept any more: they crashed, or were deleted. */
  readonly #forgotten = new Set<string>();

  constructor(report: Report) {
    this.#report = report;
  }

  emitted(session: string, { epoch, seq }: Position, frame: Uint8Array): void {
    let epochs = this.#epochs.get(session);
    if (epochs === undefined) this.#epochs.set(session, (epochs = new Map()));
    let stretch = epochs.get(epoch);
    if (stretch === undefined) epochs.set(epoch, (stretch = { epoch, frames: [], order: epochs.size }));
    if (stretch.order !== epochs.size - 1)
      this.#report(`${session}: epoch ${epoch} speaks after the one that followed it`);
    stretch.frames.push(frame);
    if (seq !== stretch.frames.length)
      this.#report(`${session}: event ${seq} of ${epoch} is its ${stretch.frames.length}th`);
  }

  /** What was kept of the session's events may be gone from now on. */
  dropped(session: string): void {
    this.#forgotten.add(session);
  }

  /**
   * A subscriber is told where the stream stands, after the events in `missed` (undefined: it did not ask for any) were
   * sent again.
   */
  subscribed(
    session: string,
    asked: Position | undefined,
    told: Position & { recovered: boolean },
    missed: readonly Uint8Array[],
  ): void {
    const frames = this.#epochs.get(session)?.get(told.epoch)?.frames ?? [];
    const where = `${session}: a subscriber at ${asked?.seq} of ${asked?.epoch}, told ${told.seq} of ${told.epoch},`;
    if (told.seq !== frames.length) this.#report(`${where} comes when there were ${frames.length}`);
    if (asked === undefined) {
      if (missed.length > 0) this.#report(`${where} asked for nothing and was sent ${missed.length}`);
      return;
    }
    const due = asked.epoch === told.epoch ? frames.slice(asked.seq) : [];
    if (!told.recovered) {
      const bytes = due.reduce((sum, { length }) => sum + length, 0);
      const forgotten = this.#forgotten.has(session);
      if (missed.length > 0) this.#report(`${where} was sent ${missed.length} events, and that they are not all`);
      else if (asked.epoch === told.epoch && asked.seq <= frames.length && bytes < KEPT_BYTES && !forgotten) {
        this.#report(`${where} was not sent ${due.length} events of ${bytes} bytes, which are kept`);
      }
      return;
    }
    if (asked.epoch !== told.epoch) this.#report(`${where} is told that it missed nothing of another epoch`);
    const same = missed.length === due.length && due.every((frame, i) => Buffer.compare(frame, missed[i]!) === 0);
    if (!same) this.#report(`${where} was sent ${missed.length} events again, not the ${due.length} it missed`);
  }
}

/** The stream of a session as one client sees it. */
export class Subscription {
  readonly #report: Report;
  readonly #who: string;
  /** Undefined: no event or subscription yet. */
  position: Position | undefined;
  /** Epochs there were before. */
  readonly #past = new Set<string>();

  constructor(report: Report, who: string) {
    this.#report = report;
    this.#who = who;
  }

  /** The answer to a subscription, or to a message that subscribes. */
  begins({ epoch, seq }: Position, recovered: boolean): void {
    const before = this.position;
    if (recovered && before !== undefined && before.epoch === epoch && before.seq !== seq) {
      this.#report(`${this.#who}: everything was sent again, and yet it has ${before.seq} of ${seq}`);
    }
    this.#moveTo(epoch, seq);
  }

  event({ epoch, seq }: Position): void {
    if (this.#past.has(epoch)) this.#report(`${this.#who}: event ${seq} of ${epoch} comes when that is over`);
    // The first event shows where the stream stands; a new epoch begins with its first event.
    const expected = this.position?.epoch === epoch ? this.position.seq + 1 : this.position && 1;
    if (expected !== undefined && seq !== expected) {
      this.#report(`${this.#who}: event ${seq} of ${epoch} comes where ${expected} is due`);
    }
    this.#moveTo(epoch, seq);
  }

  #moveTo(epoch: string, seq: number): void {
    if (this.position !== undefined && this.position.epoch !== epoch) this.#past.add(this.position.epoch);
    this.position = { epoch, seq };
  }
}
