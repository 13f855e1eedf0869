import type { Report } from './report.ts';

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
  /** By session, in the order in which they were first heard of. */
  readonly #epochs = new Map<string, Map<string, Uint8Array[]>>();
  /** Sessions whose events need not be kept any more: they crashed, or were deleted. */
  readonly #forgotten = new Set<string>();

  constructor(report: Report) {
    this.#report = report;
  }

  /** An event is told. */
  emitted(session: string, { epoch, seq }: Position, frame: Uint8Array): void {
    const epochs = this.#epochs.get(session) ?? new Map<string, Uint8Array[]>();
    this.#epochs.set(session, epochs);
    const frames = epochs.get(epoch) ?? [];
    epochs.set(epoch, frames);
    if ([...epochs.keys()].at(-1) !== epoch)
      this.#report(`${session}: epoch ${epoch} speaks after the one that followed it`);
    frames.push(frame);
    if (seq !== frames.length) this.#report(`${session}: event ${seq} of ${epoch} is its ${frames.length}th`);
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
    const frames = this.#epochs.get(session)?.get(told.epoch) ?? [];
    const due = asked?.epoch === told.epoch ? frames.slice(asked.seq) : [];
    const fault = this.#faultOf(frames, due, asked, told, missed, !this.#forgotten.has(session));
    if (fault === undefined) return;
    this.#report(`${session}: at ${asked?.seq} of ${asked?.epoch}, told ${told.seq} of ${told.epoch}: ${fault}`);
  }

  #faultOf(
    frames: readonly Uint8Array[],
    due: readonly Uint8Array[],
    asked: Position | undefined,
    told: Position & { recovered: boolean },
    missed: readonly Uint8Array[],
    isKept: boolean,
  ): string | undefined {
    if (told.seq !== frames.length) return `there were ${frames.length}`;
    if (asked === undefined) return missed.length > 0 ? `${missed.length} were sent and none was asked for` : undefined;
    if (told.recovered) {
      if (asked.epoch !== told.epoch) return 'nothing can have been recovered of another epoch';
      const isSame = missed.length === due.length && due.every((frame, i) => Buffer.compare(frame, missed[i]!) === 0);
      return isSame ? undefined : `${missed.length} events were sent again, not the ${due.length} missed`;
    }
    if (missed.length > 0) return `${missed.length} events were sent again, and that they are not all`;
    const bytes = due.reduce((sum, { length }) => sum + length, 0);
    const isDue = isKept && asked.epoch === told.epoch && asked.seq <= frames.length && bytes < KEPT_BYTES;
    return isDue ? `${due.length} events of ${bytes} bytes were kept, and not sent again` : undefined;
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
