import type { Events, EventType } from '../../src/protocol/messages.ts';
import { EventEncoder } from './event-encoder.ts';
import { RecentEvents, type RecentEventsPool } from './recent-events.ts';

/** Sends an encoded event to whoever is subscribed to the session; copies its bytes before it returns. */
export type Emit = (session: string, frame: Uint8Array) => void;

/** What the event streams of a shard share. */
export interface EventSink {
  emit: Emit;
  recentEvents: RecentEventsPool;
}

/**
 * The numbered events of one session. `seq` is given when an event is published, so a gap a client sees is a real one.
 * Every stretch of the session in memory is an epoch of its own, since the numbers begin again with it.
 */
export class EventStream {
  readonly session: string;
  readonly epoch: string;
  seq = 0;
  readonly #sink: EventSink;
  readonly #clock: { now(): number };
  /** Made with the first event: a session that says nothing should cost little. */
  #encoder: EventEncoder | undefined;
  #recent: RecentEvents | undefined;

  constructor(session: string, epoch: string, sink: EventSink, clock: { now(): number }) {
    this.session = session;
    this.epoch = epoch;
    this.#sink = sink;
    this.#clock = clock;
  }

  publish<T extends EventType>(type: T, data: Events[T]): void {
    const { emit, recentEvents } = this.#sink;
    this.#encoder ??= new EventEncoder(this.session, this.epoch);
    this.#recent ??= new RecentEvents(recentEvents);
    const frame = this.#encoder.encode(type, data, ++this.seq, this.#clock.now());
    emit(this.session, frame);
    this.#recent.add(frame);
  }

  /** The events after `after` of `epoch`, all of them or undefined: never a part. */
  since(after: number, epoch: string): readonly Uint8Array[] | undefined {
    const missed = this.seq - after;
    if (epoch !== this.epoch || missed < 0) return undefined;
    return missed === 0 ? [] : this.#recent?.newest(missed);
  }

  /** Forgets what could be sent again. */
  forget(): void {
    this.#recent?.forget();
  }
}
