import { encodeFrame } from '../../src/protocol/frame.ts';
import type { Events, EventType } from '../../src/protocol/messages.ts';

/** Events kept for those who reconnect. */
const KEPT_MAX = 128;
/** Their bytes. */
const KEPT_BYTES_MAX = 64 * 1024;

/** Sends an encoded event to whoever is subscribed to the session. */
export type Emit = (session: string, frame: Uint8Array) => void;

/**
 * The numbered events of one session. `seq` is given when an event is published, so a gap a client sees is a real one.
 * Every stretch of the session in memory is an epoch of its own, since the numbers begin again with it.
 */
export class EventStream {
  readonly session: string;
  readonly epoch: string;
  seq = 0;
  readonly #emit: Emit;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;

  constructor(session: string, epoch: string, emit: Emit) {
    this.session = session;
    this.epoch = epoch;
    this.#emit = emit;
  }

  publish<T extends EventType>(type: T, data: Events[T]): void {
    const seq = ++this.seq;
    const { session, epoch } = this;
    const frame = encodeFrame({
      id: `${epoch}-${seq}`,
      type,
      timestamp: Date.now(),
      data: { session, seq, epoch, ...data },
    });
    this.#emit(session, frame);
    this.#keep(frame);
  }

  /** The events after `after` of `epoch`, all of them or undefined: never a part. */
  since(after: number, epoch: string): readonly Uint8Array[] | undefined {
    const missed = this.seq - after;
    if (epoch !== this.epoch || missed < 0 || missed > this.#kept.length) return undefined;
    return missed === 0 ? [] : this.#kept.slice(-missed);
  }

  /** Forgets what could be sent again. */
  forget(): void {
    this.#kept = [];
    this.#keptBytes = 0;
  }

  #keep(frame: Uint8Array): void {
    this.#kept.push(frame);
    this.#keptBytes += frame.length;
    if (this.#kept.length <= KEPT_MAX && this.#keptBytes <= KEPT_BYTES_MAX) return;
    // Half goes at once: dropping one at a time would move the whole array with every event.
    const dropped = this.#kept.splice(0, this.#kept.length >> 1 || 1);
    for (const { length } of dropped) this.#keptBytes -= length;
  }
}
